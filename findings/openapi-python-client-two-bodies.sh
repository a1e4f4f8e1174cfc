#!/usr/bin/env bash
# openapi-python-client 0.29.1: an operation that takes the same model as JSON or as a form, and has no optional
# parameter, becomes a module that uses UNSET's type without importing it. The document is valid OpenAPI 3.1, the
# generator ends with 0 and warns of nothing, and the module raises NameError when it is imported.
# Seen: "NameError: name 'Unset' is not defined". Fails when that changes.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
python3 -m venv venv
venv/bin/pip install --quiet --disable-pip-version-check openapi-python-client==0.29.1
cat > openapi.json <<'JSON'
{
  "openapi": "3.1.0",
  "info": {"title": "Two bodies", "version": "1"},
  "paths": {
    "/notices": {
      "post": {
        "operationId": "post_notice",
        "requestBody": {
          "required": true,
          "content": {
            "application/json": {"schema": {"$ref": "#/components/schemas/Notice"}},
            "application/x-www-form-urlencoded": {"schema": {"$ref": "#/components/schemas/Notice"}}
          }
        },
        "responses": {"204": {"description": "kept"}}
      }
    }
  },
  "components": {
    "schemas": {
      "Notice": {"type": "object", "required": ["id"], "properties": {"id": {"type": "string"}}}
    }
  }
}
JSON
venv/bin/openapi-python-client generate --path openapi.json --output-path made --meta none --overwrite > generated.txt 2>&1
found=$(PYTHONPATH=. venv/bin/python -c "from made.api.default import post_notice" 2>&1 || true)
echo "openapi-python-client 0.29.1: ${found##*$'\n'}"
grep -q "NameError: name 'Unset' is not defined" <<< "$found"

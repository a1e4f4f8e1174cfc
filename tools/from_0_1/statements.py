"""What the columns that version 0.1 did not have hold for its rows, as SQL for both databases."""

from __future__ import annotations

COUNTS = frozenset({"daily_counts", "block_counts", "daily_amounts"})
"""Tables that are not copied: they are computed from the payments."""

ROWS = {
    "attempts": """
        SELECT of_0_1.*,
            row_number() OVER (PARTITION BY merchant_id, payment_id ORDER BY received_at, reading, digest) AS number,
            delivery_digest IS NOT NULL AND reading < max(reading) OVER (
                PARTITION BY merchant_id, payment_id, provider_attempt_id, delivery_digest
            ) AS is_superseded
        FROM {table} AS of_0_1
    """,
    "receipts": """
        SELECT of_0_1.*,
            row_number() OVER (
                PARTITION BY merchant_id, provider, provider_receipt_id ORDER BY received_at, digest
            ) AS number,
            delivery_digest IS NOT NULL AND 1 < row_number() OVER (
                PARTITION BY merchant_id, provider, provider_receipt_id, delivery_digest ORDER BY digest DESC
            ) AS is_superseded
        FROM {table} AS of_0_1
    """,
    "sources": "SELECT of_0_1.*, row_number() OVER (ORDER BY created_at, id) AS number FROM {table} AS of_0_1",
}
"""The rows of tables without numbers, numbered; of several readings of one delivery the latest holds."""

VALUES = {
    ("payments", "identifiers_folded"): "''",  # folded afterwards
    ("idempotency_keys", "request_id"): "''",
    ("actions", "receipt"): "CASE verb WHEN 'mark_paid' THEN 'none' END",
}
"""By table and column: what a column holds where version 0.1 has no value."""

ERASED_AT = {
    "postgresql": "CAST(d.headers ->> 'x-dunning-erased-at' AS timestamptz)",
    "sqlite": "json_extract(d.headers, '$.x-dunning-erased-at')",
}
_OF_ATTEMPT = """
    d.merchant_id = attempts.merchant_id AND d.digest = attempts.delivery_digest AND d.body IS NULL
    AND CAST(d.headers AS text) LIKE '{{"x-dunning-erased-at"%'
"""
ERASED = f"""
UPDATE attempts SET erased_at = (SELECT {{erased_at}} FROM deliveries AS d WHERE {_OF_ATTEMPT})
WHERE message IS NULL AND provider_customer_id IS NULL AND customer_name IS NULL AND customer_email IS NULL
    AND customer_phone IS NULL AND description IS NULL
    AND EXISTS (SELECT 1 FROM deliveries AS d WHERE {_OF_ATTEMPT})
"""
"""Erased attempts are those that say nothing of a person and whose delivery has the mark: it may have brought another
person's attempt as well."""

SUBJECTS = """
UPDATE deliveries SET subjects = found.subjects FROM (
    SELECT said.merchant_id, said.delivery_digest, {subjects} AS subjects FROM (
        SELECT DISTINCT merchant_id, delivery_digest FROM attempts WHERE NOT is_superseded
        UNION SELECT DISTINCT merchant_id, delivery_digest FROM receipts WHERE NOT is_superseded
    ) AS said
    LEFT JOIN (
        SELECT merchant_id, delivery_digest, {group}(DISTINCT payment_id) AS named
        FROM attempts WHERE NOT is_superseded GROUP BY merchant_id, delivery_digest
    ) AS payments
    ON payments.merchant_id = said.merchant_id AND payments.delivery_digest = said.delivery_digest
    LEFT JOIN (
        SELECT merchant_id, delivery_digest, {group}(DISTINCT provider_receipt_id) AS named
        FROM receipts WHERE NOT is_superseded GROUP BY merchant_id, delivery_digest
    ) AS paid
    ON paid.merchant_id = said.merchant_id AND paid.delivery_digest = said.delivery_digest
) AS found
WHERE deliveries.merchant_id = found.merchant_id AND deliveries.digest = found.delivery_digest
    AND deliveries.outcome = 'recorded' AND deliveries.provider NOT IN ('payment_records', 'subscriptions')
"""
"""What the latest reading of each delivery is about."""

OF_SUBJECTS = {
    "postgresql": {
        "group": "json_agg",
        "subjects": "json_build_object("
        "'payments', coalesce(payments.named, '[]'::json), 'receipts', coalesce(paid.named, '[]'::json))",
    },
    "sqlite": {
        "group": "json_group_array",
        "subjects": "json_object("
        "'payments', json(coalesce(payments.named, '[]')), 'receipts', json(coalesce(paid.named, '[]')))",
    },
}

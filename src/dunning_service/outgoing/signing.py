"""Standard Webhooks signatures for outgoing requests: https://github.com/standard-webhooks/standard-webhooks."""

from __future__ import annotations

import base64
import binascii
import secrets
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime

from standardwebhooks import Webhook

from dunning_service.errors import ConfigurationError

_PREFIX = "whsec_"
_KEY_BYTES = range(24, 65)


def new_signing_secret() -> str:
    """A new secret: `whsec_` and 32 random bytes in base64."""
    return _PREFIX + base64.b64encode(secrets.token_bytes(32)).decode()


class Signer:
    """Signer with one or more secrets, so that the receiver can change over to a new one."""

    def __init__(self, signing_secrets: Sequence[str]) -> None:
        """Raises ConfigurationError without a secret, and for one that is not Standard Webhooks'."""
        self._webhooks = [Webhook(_key_of(secret)) for secret in signing_secrets]
        if not self._webhooks:
            raise ConfigurationError("a signing secret is needed: requests are never sent unsigned")

    def headers(self, message_id: str, now: datetime, body: str) -> Mapping[str, str]:
        """The three headers of a signed message."""
        at = now.astimezone(UTC)
        return {
            "webhook-id": message_id,
            "webhook-timestamp": str(int(at.timestamp())),
            "webhook-signature": " ".join(webhook.sign(message_id, at, body) for webhook in self._webhooks),
        }


def _key_of(secret: str) -> bytes:
    try:
        key = base64.b64decode(secret.strip().removeprefix(_PREFIX), validate=True)
    except (binascii.Error, ValueError):
        key = b""
    if not secret.strip().startswith(_PREFIX) or len(key) not in _KEY_BYTES:
        raise ConfigurationError(
            f"the signing secret is not {_PREFIX} and 24 to 64 bytes in base64, as Standard Webhooks has it"
        )
    return key

"""What this service refuses to do, in domain words. Knows nothing of HTTP: `web/problems.py` translates."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple


@dataclass(frozen=True, slots=True)
class FieldError:
    """One thing that is wrong with one field, named as the caller wrote it; `field` is "" for the whole input."""

    field: str
    message: str


class DunningError(Exception):
    """Something this service refuses to do, for a reason a caller can act on.

    `message` is safe to show to the caller: it never holds a secret or another merchant's data.
    """

    code: str = "internal_error"
    """Stable. Of the class, unless one instance says it in a caller's own terms."""

    def __init__(self, message: str) -> None:
        super().__init__(message)
        self.message = message
        self.reason = message
        """For the operator's log: the same, or more than the caller may know."""


class InvalidInput(DunningError):
    """The caller's input is wrong; `fields` says where and what would be right."""

    code = "invalid_request"

    def __init__(self, message: str, fields: Sequence[FieldError] = ()) -> None:
        super().__init__(message)
        self.fields = tuple(fields)


class UnreadableNotice(InvalidInput):
    """A notice that its provider's adapter cannot understand."""

    code = "unreadable_notice"


class Difference(NamedTuple):
    """One field of a receipt that is reported with two contents: its name in the ledger, and both values."""

    name: str
    held: str | int | None
    given: str | int | None


_WORDS = {"payer_key": "payer", "amount_minor": "amount", "currency": "currency"}


class ReceiptContradicted(InvalidInput):
    """A receipt with the number of another one, of another payer, amount or currency."""

    code = "receipt_contradicted"

    def __init__(self, provider_receipt_id: str, differences: Sequence[Difference]) -> None:
        words = " and ".join(_WORDS.get(one.name, one.name) for one in differences)
        super().__init__(
            f"the receipt {provider_receipt_id} was reported before with another {words}, and that holds; "
            "money that came in besides needs a number of its own",
            [FieldError(one.name, "not what was reported under this number before") for one in differences],
        )
        self.provider_receipt_id = provider_receipt_id
        self.differences = tuple(differences)


class BodyTooLarge(DunningError):
    """More bytes than DUNNING_MAX_BODY_BYTES allows."""

    code = "body_too_large"


class BodyTooSlow(DunningError):
    """A body that did not arrive within DUNNING_RECEIVE_TIMEOUT_SECONDS."""

    code = "body_too_slow"


class UnsupportedMediaType(DunningError):
    """A body in a format or an encoding that this route does not read."""

    code = "unsupported_media_type"


class InvalidToken(DunningError):
    """No bearer token, or one that is unknown, revoked or expired; only `reason` says which."""

    code = "invalid_token"

    def __init__(self, message: str, reason: str | None = None) -> None:
        super().__init__(message)
        self.reason = reason or message


class MissingScope(DunningError):
    """A valid token that may not do this."""

    code = "missing_scope"


class BadSignature(DunningError):
    """The notice is not signed with any of the source's secrets, or not at an acceptable time."""

    code = "bad_signature"


class NotFound(DunningError):
    """Nothing of that id, or nothing that this merchant may see: a caller cannot tell which."""

    code = "not_found"


class ActionDoesNotApply(DunningError):
    """A decision that makes no sense for the payment as it stands, such as collecting what is paid."""

    code = "action_does_not_apply"


class RuleBroken(DunningError):
    """What is asked for makes no sense for what the ledger holds, such as refunding more than was paid.

    Where the request carries an Idempotency-Key this is its answer, kept as any other is: the same request again hears
    the same.
    """

    code = "rule_broken"


class IdempotencyKeyReused(DunningError):
    """The same Idempotency-Key with another request."""

    code = "idempotency_key_reused"


class Unavailable(DunningError):
    """Not known to be recorded; the same request should be sent again after `retry_after` seconds, and changes nothing
    if it was. Nobody is told to when that is None."""

    code = "service_unavailable"

    def __init__(self, message: str, retry_after: int | None = 1) -> None:
        super().__init__(message)
        self.retry_after = retry_after


class Unconfirmed(Unavailable):
    """It may have taken effect, and the same request again may do so once more."""

    code = "unconfirmed"

    def __init__(self) -> None:
        super().__init__(
            "it is not known whether this took effect: look before you send it again, and send an Idempotency-Key with "
            "it from the start, which makes that safe",
            retry_after=None,
        )


class TooManyConnections(Unavailable):
    """A connection more than DUNNING_MAX_CONNECTIONS."""

    code = "too_many_connections"

    def __init__(self) -> None:
        super().__init__("too many connections are open; open another one later", retry_after=2)


class NoUsableGateway(DunningError):
    """The merchant has no gateway to charge through, or one that cannot be used as it is set up."""

    code = "no_usable_gateway"


class ConfigurationError(DunningError):
    """A setting or an operator's argument that cannot work; the message names the next step."""

    code = "configuration_error"

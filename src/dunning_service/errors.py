"""The errors of this service, in domain words, without HTTP: `http/problems.py` has their statuses."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple, Self


@dataclass(frozen=True, slots=True)
class FieldError:
    """An error in one field, named as the caller wrote it; `field` is "" for the whole input."""

    field: str
    message: str


class DunningError(Exception):
    """The base of all errors: a refusal for a reason that the caller can act on.

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
    """The error for wrong input; `fields` says where, and what would be right."""

    code = "invalid_request"

    def __init__(self, message: str, fields: Sequence[FieldError] = ()) -> None:
        super().__init__(message)
        self.fields = tuple(fields)

    @classmethod
    def of(cls, fields: Sequence[FieldError]) -> Self:
        """The error whose message names every field and says what is wrong with it."""
        return cls("; ".join(f"{one.field}: {one.message}" if one.field else one.message for one in fields), fields)


class UnreadableNotice(InvalidInput):
    """The error for a notice that its provider's adapter cannot read."""

    code = "unreadable_notice"


class Difference(NamedTuple):
    """A field in which two reports of a receipt differ: its name in the ledger, and both values."""

    name: str
    held: str | int | None
    given: str | int | None


_WORDS = {"payer_key": "payer", "amount_minor": "amount", "currency": "currency"}


class ReceiptContradicted(InvalidInput):
    """The error for a receipt with the number of an earlier one and another payer, amount or currency."""

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
    """The error for a body of more bytes than DUNNING_MAX_BODY_BYTES."""

    code = "body_too_large"


class BodyTooSlow(DunningError):
    """The error for a body that did not arrive within DUNNING_RECEIVE_TIMEOUT_SECONDS."""

    code = "body_too_slow"


class UnsupportedMediaType(DunningError):
    """The error for a body in a format or an encoding that the route does not read."""

    code = "unsupported_media_type"


class InvalidToken(DunningError):
    """The error for a token that is missing, unknown, revoked or expired; only `reason` says which."""

    code = "invalid_token"

    def __init__(self, message: str, reason: str | None = None) -> None:
        super().__init__(message)
        self.reason = reason or message


class MissingScope(DunningError):
    """The error for a valid token without the scope of the route."""

    code = "missing_scope"


class BadSignature(DunningError):
    """The error for a signature by none of the source's secrets, or at no acceptable time."""

    code = "bad_signature"


class NotFound(DunningError):
    """The error for an id that does not exist or belongs to another merchant: a caller cannot distinguish them."""

    code = "not_found"


class ActionDoesNotApply(DunningError):
    """The error for an action that the payment's status does not allow, such as collecting what is paid."""

    code = "action_does_not_apply"


class RuleBroken(DunningError):
    """The error for a request that the ledger's state does not allow, such as refunding more than was paid.

    With an Idempotency-Key it is stored as the answer: a repeated request gets it again.
    """

    code = "rule_broken"


class IdempotencyKeyReused(DunningError):
    """The error for an Idempotency-Key that came with another request before."""

    code = "idempotency_key_reused"


class Unavailable(DunningError):
    """The error for a request that may not have been recorded: it should be sent again after `retry_after` seconds,
    which changes nothing if it was. None asks for no repeat."""

    code = "service_unavailable"

    def __init__(self, message: str, retry_after: int | None = 1) -> None:
        super().__init__(message)
        self.retry_after = retry_after


class Unconfirmed(Unavailable):
    """The error for a request that may have taken effect, and may do so again if it is repeated."""

    code = "unconfirmed"

    def __init__(self) -> None:
        super().__init__(
            "it is not known whether this took effect: look before you send it again, and send an Idempotency-Key with "
            "it from the start, which makes that safe",
            retry_after=None,
        )


class TooManyConnections(Unavailable):
    """The error for a connection above DUNNING_MAX_CONNECTIONS."""

    code = "too_many_connections"

    def __init__(self) -> None:
        super().__init__("too many connections are open; open another one later", retry_after=2)


class NoUsableGateway(DunningError):
    """The error for a merchant without a gateway, or with one that cannot be used as it is set up."""

    code = "no_usable_gateway"


class ConfigurationError(DunningError):
    """The error for a setting or an operator's argument that cannot work; the message names the next step."""

    code = "configuration_error"

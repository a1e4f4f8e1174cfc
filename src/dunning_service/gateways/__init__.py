"""Ways to charge, one file each: the sandbox, and the merchant's own endpoint over HTTP."""

from dunning_service.gateways._base import (
    Charged,
    ChargeOutcome,
    ChargeRequest,
    Gateway,
    NotCharged,
    NotSent,
    OutcomeUnknown,
    TransactionType,
)
from dunning_service.gateways.http import HttpGateway
from dunning_service.gateways.sandbox import ChargeBook, Sandbox

__all__ = [
    "ChargeBook",
    "ChargeOutcome",
    "ChargeRequest",
    "Charged",
    "Gateway",
    "HttpGateway",
    "NotCharged",
    "NotSent",
    "OutcomeUnknown",
    "Sandbox",
    "TransactionType",
]

"""The services of a running application: settings, database, writer, gateways, metrics."""

from __future__ import annotations

from dataclasses import dataclass
from typing import cast

from starlette.requests import HTTPConnection

from dunning_service.billing.charging import Charging
from dunning_service.database.engines import Database
from dunning_service.gateways.registry import MerchantGateways
from dunning_service.ledger.writer import LedgerWriter
from dunning_service.merchants.directory import Directory
from dunning_service.operation.metrics import Metrics
from dunning_service.server.bodies import Bodies
from dunning_service.settings import Settings
from dunning_service.values.clock import Clock


@dataclass(frozen=True, slots=True, kw_only=True)
class Services:
    """What a process works with; made when it starts and closed when it stops."""

    settings: Settings
    clock: Clock
    database: Database
    directory: Directory
    writer: LedgerWriter
    gateways: MerchantGateways
    charging: Charging
    metrics: Metrics
    bodies: Bodies


def services(request: HTTPConnection) -> Services:
    """The services of the application that answers a request."""
    return cast(Services, request.scope["app"].state.services)

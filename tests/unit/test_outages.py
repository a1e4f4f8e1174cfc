"""What is an outage of the database, and what is a fault of the request or of ours."""

from __future__ import annotations

import pytest
import sqlalchemy as sa
from psycopg.errors import InternalError_, ReadOnlySqlTransaction, SyntaxError, UndefinedTable

from dunning_service.db import is_outage


@pytest.mark.parametrize(
    ("error", "outage"),
    [
        (sa.exc.OperationalError("", {}, Exception()), True),
        (sa.exc.InterfaceError("", {}, Exception()), True),
        (sa.exc.TimeoutError(), True),
        (sa.exc.DBAPIError("", {}, Exception(), connection_invalidated=True), True),
        (sa.exc.DBAPIError("", {}, Exception()), False),
        (sa.exc.IntegrityError("", {}, Exception()), False),
        (sa.exc.ProgrammingError("", {}, Exception()), False),
        (sa.exc.ProgrammingError("", {}, UndefinedTable()), True),
        (sa.exc.ProgrammingError("", {}, SyntaxError()), False),
        (sa.exc.InternalError("", {}, ReadOnlySqlTransaction()), True),
        (sa.exc.InternalError("", {}, InternalError_()), False),
        (ValueError(), False),
    ],
    ids=str,
)
def test_only_what_may_pass_by_itself_is_an_outage(error: Exception, outage: bool) -> None:
    assert is_outage(error) is outage

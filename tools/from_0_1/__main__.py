"""`python -m from_0_1 [URL]`: upgrades a database of version 0.1 in place; see `docs/upgrading.md`."""

from __future__ import annotations

import argparse
import sys

from sqlalchemy.exc import DBAPIError

from dunning_service.commands.opening import explained
from dunning_service.database.engines import database_url
from dunning_service.errors import DunningError
from dunning_service.settings import load_settings
from dunning_service.values.clock import utc_now
from from_0_1.upgrade import upgrade

_NEXT = "Next: start version 0.2, then `dunning ledger check`. The backup can go when that adds up."


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m from_0_1", description=__doc__)
    parser.add_argument("url", nargs="?", help="the database; by default DUNNING_DATABASE_URL")
    arguments = parser.parse_args()
    try:
        upgrade(database_url(arguments.url or load_settings().database_url), utc_now(), print)
    except DunningError as error:
        problem = error.message
    except DBAPIError as error:
        problem = f"{explained(error)}; nothing was changed"
    else:
        print(_NEXT)
        return 0
    print(f"from_0_1: {problem}", file=sys.stderr)
    return 1


if __name__ == "__main__":
    sys.exit(main())

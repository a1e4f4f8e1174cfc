"""Currencies that ISO 4217 has withdrawn: payments in them come back, are corrected and are looked up for years.

Facts: codes, numbers and months are of ISO 4217's list three (published 2026-01-01), which states no minor units. Those
are what list one stated while the currency was in use, as the JDK's currency data keep it, compared with CLDR's. Where
CLDR has 0 for SLL, MRO, STD, TMM, ZMK and ZWD it says how prices were written; ISO 4217 had 2.

It holds what was withdrawn since 2002. BEF, GRD, PTE, ROL and TPE are left out because the sources disagree about their
minor units, CHC and GHP because only one has them: an amount is never a guess.
"""

from __future__ import annotations

from typing import Final, NamedTuple


class Withdrawn(NamedTuple):
    """A withdrawn currency: its number, its decimals, and the month of its withdrawal."""

    month: str
    """When it was withdrawn, as list three has it: the last month where several countries used it."""
    number: int
    """Its numeric code."""
    exponent: int
    """How many decimals it had."""


WITHDRAWN: Final[dict[str, Withdrawn]] = {
    "ADP": Withdrawn("2003-07", 20, 0),
    "AFA": Withdrawn("2003-01", 4, 2),
    "ANG": Withdrawn("2025-03", 532, 2),
    "ATS": Withdrawn("2002-03", 40, 2),
    "AYM": Withdrawn("2005-10", 945, 2),
    "AZM": Withdrawn("2005-12", 31, 2),
    "BGL": Withdrawn("2003-11", 100, 2),
    "BGN": Withdrawn("2026-01", 975, 2),
    "BYR": Withdrawn("2017-01", 974, 0),
    "CSD": Withdrawn("2006-10", 891, 2),
    "CUC": Withdrawn("2021-06", 931, 2),
    "CYP": Withdrawn("2008-01", 196, 2),
    "DEM": Withdrawn("2002-03", 276, 2),
    "EEK": Withdrawn("2011-01", 233, 2),
    "ESP": Withdrawn("2002-03", 724, 0),
    "FIM": Withdrawn("2002-03", 246, 2),
    "FRF": Withdrawn("2002-03", 250, 2),
    "GHC": Withdrawn("2008-01", 288, 2),
    "HRK": Withdrawn("2023-01", 191, 2),
    "IEP": Withdrawn("2002-03", 372, 2),
    "ITL": Withdrawn("2002-03", 380, 0),
    "LTL": Withdrawn("2014-12", 440, 2),
    "LUF": Withdrawn("2002-03", 442, 0),
    "LVL": Withdrawn("2014-01", 428, 2),
    "MGF": Withdrawn("2004-12", 450, 0),
    "MRO": Withdrawn("2017-12", 478, 2),
    "MTL": Withdrawn("2008-01", 470, 2),
    "MZM": Withdrawn("2006-06", 508, 2),
    "NLG": Withdrawn("2002-03", 528, 2),
    "RUR": Withdrawn("2004-01", 810, 2),
    "SDD": Withdrawn("2007-07", 736, 2),
    "SIT": Withdrawn("2007-01", 705, 2),
    "SKK": Withdrawn("2009-01", 703, 2),
    "SLL": Withdrawn("2023-12", 694, 2),
    "SRG": Withdrawn("2003-12", 740, 2),
    "STD": Withdrawn("2017-12", 678, 2),
    "TMM": Withdrawn("2009-01", 795, 2),
    "TRL": Withdrawn("2005-12", 792, 0),
    "USS": Withdrawn("2014-03", 998, 2),
    "VEB": Withdrawn("2008-01", 862, 2),
    "VEF": Withdrawn("2018-08", 937, 2),
    "YUM": Withdrawn("2003-07", 891, 2),
    "ZMK": Withdrawn("2012-12", 894, 2),
    "ZWD": Withdrawn("2008-08", 716, 2),
    "ZWL": Withdrawn("2024-09", 932, 2),
    "ZWN": Withdrawn("2006-09", 942, 2),
    "ZWR": Withdrawn("2009-06", 935, 2),
}

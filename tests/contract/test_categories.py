"""The category of an attempt: derived from its codes, by the edition of the table there is when it is read."""

from __future__ import annotations

import pytest

from building import a_failure, a_notice
from contract._failed_payments import read
from contract._payments import public_number_of
from contract._webhooks import rows_of
from dunning_service.events import Category, Decline
from dunning_service.ledger.models import AttemptRow
from dunning_service.recovery import decline_codes
from dunning_service.recovery.decline_codes import DeclineMeaning, RetryRule
from ledgers import complaints
from running import RunningService

DECLINE = Decline(provider="acmepay", code="51")


def another_edition(monkeypatch: pytest.MonkeyPatch, edition: str, category: Category) -> None:
    """The table of decline codes, with one more provider in it."""
    table = decline_codes._Table()
    table.add("51", DeclineMeaning(category, RetryRule.LATER, is_known=True))
    monkeypatch.setitem(decline_codes._TABLES, "acmepay", table)
    monkeypatch.setattr(decline_codes, "MAPPING_VERSION", edition)


@pytest.mark.parametrize("is_corrected", [False, True], ids=["", "corrected since"])
async def test_replay_by_another_edition_changes_it_in_place(
    service: RunningService, monkeypatch: pytest.MonkeyPatch, is_corrected: bool
) -> None:
    said = a_failure(code="51", decline=DECLINE, details={"theirs": 1})
    origin = {"merchant_id": service.merchant.id, "body": b"the notice"}
    another_edition(monkeypatch, "first", Category.DO_NOT_HONOR)
    await service.writer.record(a_notice(said, **origin))
    if is_corrected:
        await service.writer.record(a_notice(a_failure(amount_minor=1), merchant_id=service.merchant.id))
    number = await public_number_of(service, "in_1")
    before = await read(service, number)

    another_edition(monkeypatch, "second", Category.INSUFFICIENT_FUNDS)
    done = await service.writer.record(a_notice(said, is_replay=True, **origin))

    assert done.refusal is None
    attempts = sorted(await rows_of(service, AttemptRow), key=lambda row: row.number)
    assert len(attempts) == 1 + is_corrected
    assert (attempts[0].category, attempts[0].is_superseded) == ("insufficient_funds", False)
    assert attempts[0].details == {
        "theirs": 1,
        "mapping": "second",
        "is_known": True,
        "because": "not enough money on the account (acmepay 51)",
    }
    after = await read(service, number)
    told = {entry["category"] for entry in after["timeline"]}
    assert told == ({None} if is_corrected else set()) | {"insufficient_funds"}
    if not is_corrected:
        assert (before["category"], after["category"]) == ("do_not_honor", "insufficient_funds")
    assert len(after["timeline"]) == len(before["timeline"])
    assert complaints(service.database) == []


async def test_replay_by_the_same_edition_writes_nothing(
    service: RunningService, monkeypatch: pytest.MonkeyPatch
) -> None:
    another_edition(monkeypatch, "first", Category.DO_NOT_HONOR)
    said = a_failure(code="51", decline=DECLINE)
    origin = {"merchant_id": service.merchant.id, "body": b"the notice"}
    await service.writer.record(a_notice(said, **origin))
    number = await public_number_of(service, "in_1")
    before = await read(service, number)

    await service.writer.record(a_notice(said, is_replay=True, **origin))

    assert await read(service, number) == before


async def test_statement_with_other_codes_is_another_revision(service: RunningService) -> None:
    for code in ("card_declined", "expired_card", "card_declined"):
        said = a_failure(decline=Decline(provider="stripe", code=code))
        await service.writer.record(a_notice(said, merchant_id=service.merchant.id))
    digests = [row.digest for row in await rows_of(service, AttemptRow)]
    assert len(digests) == 3
    assert len(set(digests)) == 2

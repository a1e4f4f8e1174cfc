"""The meaning of each log event, for the table in docs/reference/operation.md; the levels are read from the code."""

from __future__ import annotations

LOG_EVENTS = {
    "request": "a request was answered; status 499: its caller was gone before",
    "log": "a line of a library or of the server: `logger`, `message`",
    "request.crashed": (
        "something nobody expected, with its `exception`; the caller got a 500 and the id of the request"
    ),
    "database.unavailable": (
        "a read found the database out of reach: `reason` says why in words, with the `sqlstate` of "
        "PostgreSQL or the `sqlite_error` of SQLite"
    ),
    "batch.in_doubt": (
        "the connection was lost in the middle of a commit, so it is not known whether the batch is recorded; everyone "
        "in it got a 503: `works`, and why, as above"
    ),
    "batch.refused": "the database did not take a batch, and everyone in it got a 503: `works`, and why, as above",
    "batch.overdue": (
        "the database has not committed a batch for 10 seconds: its `works` and those `waiting` behind it got"
        " a 503, and so does whoever comes before it ends"
    ),
    "batch.retried": "a batch met another process, or lost its connection before its commit, and went again",
    "work.refused": "the database did not take one notice or decision; only that one was refused",
    "worker.started": "a worker begins: `concurrency`, `claim_seconds`",
    "worker.stopped": "it was stopped, and what it had begun is recorded",
    "worker.gave_up": (
        "it was stopped before as many `attempts` had an outcome; they are looked up when their claims run out"
    ),
    "worker.crashed": (
        "something nobody expected, with its `exception`; the worker inside the service begins again after 10 seconds"
    ),
    "work.crashed": (
        "something nobody expected in an item of due work of this `table`, with its `exception`; it is due "
        "again when its lease expires"
    ),
    "claim.unavailable": "the database did not let a worker see what is due, for a `reason` as above; it tries again",
    "attempt.recorded": (
        "what became of an attempt: `payment_id`, `attempt`, `outcome`, and the `category` of a decline"
    ),
    "attempt.unrecorded": "what became of an attempt could not be recorded; it is looked up when its claim runs out",
    "attempt.crashed": (
        "something nobody expected in an attempt, with its `exception`; it is looked up when its claim runs out"
    ),
    "attempt.known": "an outcome came that was recorded already, or does not matter any more",
    "attempt.postponed": (
        "nothing was asked of a gateway, because of `error`, which the operator has to put right; it stays "
        "due and is tried again, less and less often"
    ),
    "claim.over": (
        "a worker was held up until its claim ran out, so it charged nothing; whoever claims it next finds out"
    ),
    "claim.orphaned": "a scheduled payment without its subscription or merchant: nothing can be charged for it",
    "ladder.unreadable": (
        "a merchant's stored ladder cannot be read, and the operator's is used: set it again with `dunning "
        "merchant set`"
    ),
    "charge.unknown": (
        "nobody knows yet what became of an attempt, and `error` says why; `lookups` counts how often it was "
        "looked up before"
    ),
    "decline.unmapped": (
        "a decline came with `codes` that the table of decline codes does not have, and was taken for `category`"
    ),
    "gateway.unusable": (
        "a subscription could not be created because of how its merchant's gateway is set up: `merchant_id`, `error`"
    ),
    "durability.unknown": (
        "the process started while the database could not be reached, so its settings were not looked at: "
        "`reason` as above"
    ),
    "durability.waived": (
        "the service started on a database that may lose notices in a power cut, as it was allowed to: `unsafe`"
    ),
    "source.unusable": "a source's provider or options are not known to this version: `source` (its number), `reason`",
    "source.secret_unreadable": (
        "none of the keys decrypts a source's secret: `source` and `secret` (their numbers), `reason`"
    ),
}

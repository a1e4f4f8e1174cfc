"""ARISE's subscriptions: `/sub-api/v1/subscriptions`, their payments as they fall due, and the attempts at each."""

PROVIDER = "subscriptions"
"""What the ledger calls the payments that this service schedules and charges itself."""

IDENTIFIERS = frozenset({"provider_attempt_id", "transaction_id"})
"""Which details of its attempts are ids: the gateway's own of the charge."""

"""ARISE's subscriptions: `/sub-api/v1/subscriptions`, their payments as they fall due, and the attempts at each."""

PROVIDER = "subscriptions"
"""What the ledger calls the payments that this service schedules and charges itself."""

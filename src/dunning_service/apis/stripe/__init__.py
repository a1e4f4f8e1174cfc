"""Stripe's payment records: `/v1/payment_records` and `/v1/payment_attempt_records`."""

PROVIDER = "payment_records"
"""What the ledger calls them: the merchant itself is who reports them, whichever processor was used."""

IDENTIFIERS = frozenset(
    {"provider_attempt_id", "payment_reference", "payment_method_details.payment_method", "metadata"}
)
"""Which details of its attempts are ids; merchants keep their own in the metadata."""

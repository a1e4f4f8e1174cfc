"""Webhooks: verify, keep the exact bytes, read them, hand them to the ledger; and read stored ones again."""

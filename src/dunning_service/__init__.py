"""A self-hosted, provider-neutral ledger of failed payments."""

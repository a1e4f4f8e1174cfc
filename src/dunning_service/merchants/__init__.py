"""Merchants (the tenants), their bearer tokens and their webhook sources."""

"""Payments, attempts, actions and receipts: what is known, and what it adds up to."""

"""Stripe's payment records: `/v1/payment_records` and `/v1/payment_attempt_records`."""

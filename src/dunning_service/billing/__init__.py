"""Subscriptions: terms, schedule, calendar, pricing, charges and their outcomes; no wire format."""

"""The erasure of one customer's personal data, while what was owed, tried and paid stays."""

"""Erasing what is kept about one customer of a merchant, while what was owed, tried and paid stays."""

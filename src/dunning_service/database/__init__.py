"""SQLite and PostgreSQL: engines, bulk statements, locks, durability, migrations; every dialect branch."""

"""Values without a table: money, rates, moments, exact JSON, the clock."""

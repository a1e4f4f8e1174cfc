"""What every route shares: who is calling, limits, error answers, request ids, logs, metrics and health."""

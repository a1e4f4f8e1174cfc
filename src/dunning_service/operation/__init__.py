"""What an operator watches: metrics, health checks, logs."""

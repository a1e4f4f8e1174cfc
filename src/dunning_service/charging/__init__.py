"""What falls due is claimed, charged outside any transaction, and recorded: by any number of workers."""

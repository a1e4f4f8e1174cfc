"""Due work: rows with a `wake_at`, leased by one worker at a time; any table can take part."""

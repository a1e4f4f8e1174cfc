"""Our own JSON API of failed payments."""

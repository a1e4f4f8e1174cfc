"""Front Payment's failed payment list."""

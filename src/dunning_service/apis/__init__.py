"""One package per caller API, with the same file names in each."""

"""Following a source of updates, where root has chosen one: what it offers, fetched and installed."""

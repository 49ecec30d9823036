"""Live updates: what a transaction announces reaches open pages as server-sent events."""

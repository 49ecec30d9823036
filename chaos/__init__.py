"""Break a running Desk at random, and count what went wrong: behind `make chaos` (docs/chaos.md)."""

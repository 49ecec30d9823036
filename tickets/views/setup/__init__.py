"""Pages of Setup for programs: API tokens, and who is told of events."""

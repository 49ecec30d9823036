"""Pages of Setup for other systems: API tokens and webhooks."""

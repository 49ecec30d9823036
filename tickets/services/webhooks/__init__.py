"""Webhooks and API tokens for other systems."""

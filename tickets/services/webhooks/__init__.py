"""Webhooks to other systems, and the tokens of API clients."""

"""Recover missed messages: find in the Conversations API what no webhook delivered, and take it in as webhooks are."""

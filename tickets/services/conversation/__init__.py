"""Conversations, their messages and tickets: who may see them, and what changes in them."""

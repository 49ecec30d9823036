"""Conversations, their messages and tickets: who may see them, and how they change."""

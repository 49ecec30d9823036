"""Erase or export the data of a contact."""

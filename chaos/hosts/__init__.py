"""Desk on three hosts, which are network namespaces of one machine: `python -m chaos.hosts`, as root."""

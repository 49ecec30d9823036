"""Databases of released versions, and the test that upgrades them to this one."""

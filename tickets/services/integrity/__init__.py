"""Checks of `manage.py verify_integrity`: counters, times, previews and indexes against the messages."""

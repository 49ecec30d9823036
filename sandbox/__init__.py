"""A stand-in for Meta: Facebook Login, Graph API, Messenger and webhooks in one process.

Run it with ``python -m sandbox``. It shares no code with Desk, so that a mistake in a signature or in JSON cannot be
in both. See README.md beside this file.
"""

"""A stand-in for Meta: Facebook login, Graph API, Messenger and webhooks in one process.

Run it with ``python -m sandbox``. It shares no code with Desk on purpose:
its signatures and its JSON are an independent witness. See README.md beside this file.
"""

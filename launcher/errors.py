"""Exceptions of the launcher."""


class CannotStart(Exception):
    """Say what a person must correct before Desk can run; the text is printed as it is."""


class Stopped(Exception):
    """Stop because of Ctrl-C, SIGTERM or a closed terminal."""

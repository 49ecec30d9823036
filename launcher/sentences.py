"""How a start ends otherwise than by running."""


class CannotStart(Exception):
    """Something a person must put right; the text is the sentence they read."""


class Ended(Exception):
    """Someone pressed Ctrl-C, closed the terminal or sent SIGTERM."""

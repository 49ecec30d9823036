"""Report a restore that was interrupted, so that nobody serves half of an installation."""

from django.core import checks

from desk.backup import storage_files

INTERRUPTED = (
    "A restore was interrupted here: rows or files are missing. Run manage.py restore again with the same backup; it "
    "says what it does."
)


def check_interrupted(**_options: object) -> list[checks.CheckMessage]:
    """Report an interrupted restore in every `check`; the worker does not start then."""
    try:
        was_interrupted = storage_files.storage().restore_was_interrupted()
    except OSError:
        return []  # the bucket does not answer, which `check --deploy` and /readyz say
    return [checks.Error(INTERRUPTED, id="desk.E005")] if was_interrupted else []

"""What the queue runs for tickets. A task is a nudge: the rows say what there is to do."""

from tickets.api import payloads
from tickets.services import (
    changes,
    conversations,
    erasing,
    event_sending,
    files,
    moderation,
    outbox,
    profiles,
    reactions,
)


def fetch_profiles() -> int:
    """Fetch names and pictures of new contacts; return how many contacts were tried."""
    return profiles.fetch_profiles()


def fetch_files() -> int:
    """Fetch files that customers sent; return how many were tried."""
    return files.fetch_files()


def apply_late_changes() -> int:
    """Apply edits, reactions and withdrawals whose message came after them; return to how many messages."""
    return changes.apply_late()


def drain_outbox() -> int:
    """Send the replies that are due and settle the unsure ones; return how many calls to Meta were made."""
    return outbox.drain_outbox()


def tell_blocks() -> int:
    """Tell Meta who is blocked and who no longer is; return how many calls were made."""
    return moderation.tell_blocks()


def delete_erased_files() -> int:
    """Delete the files of people who were erased; return how many."""
    return erasing.delete_files()


def send_events() -> int:
    """Tell programs what happened; return how many calls were made."""
    return event_sending.drain_events(payloads.bodies)


def send_reactions() -> int:
    """Send the Page's reactions that are due; return how many."""
    return reactions.send_reactions()


def refresh_statistics() -> bool:
    """Let the database look at what the lists read; scheduled daily. Says whether it had to be told."""
    return conversations.refresh_statistics()

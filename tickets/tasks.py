"""The tasks of the queue for tickets. A task only starts the work: the rows say what there is to do."""

from tickets.api import payloads
from tickets.services.conversation import message_changes, snoozing
from tickets.services.inbox import canned_files, indexing, macro_runs, statistics
from tickets.services.incoming import attachments, profiles
from tickets.services.notifications import browsers, reminders
from tickets.services.outgoing import outbox
from tickets.services.page_actions import moderation, reactions, thread_control
from tickets.services.privacy import erasure
from tickets.services.webhooks import delivery, mails


def fetch_profiles() -> int:
    """Fetch names and pictures of new contacts; return how many were tried."""
    return profiles.fetch_profiles()


def fetch_files() -> int:
    """Fetch files that customers sent; return how many were tried."""
    return attachments.fetch_files()


def apply_late_changes() -> int:
    """Apply edits, reactions and withdrawals that arrived before their message; return the number of messages."""
    return message_changes.apply_waiting()


def wake_snoozed() -> int:
    """Wake the conversations whose snooze is over; return how many."""
    return snoozing.wake_due()


def drain_outbox() -> int:
    """Send due replies and look up unsure ones; return how many calls to Meta were made."""
    return outbox.drain_outbox()


def index_texts() -> int:
    """Fill in the search index; return the number of texts."""
    return indexing.index_all()


def tell_blocks() -> int:
    """Send blocks and unblocks to Meta; return how many calls were made."""
    return moderation.send_blocks()


def change_thread_control() -> int:
    """Send requests to take or get control of conversations; return how many were tried."""
    return thread_control.send_requests()


def delete_erased_files() -> int:
    """Delete the files of erased contacts; return how many."""
    return erasure.delete_files()


def send_events() -> int:
    """Send webhook events that are due; return how many calls were made."""
    return delivery.drain_events(payloads.bodies)


def mail_about_webhooks() -> int:
    """Send the e-mails about webhooks that Desk disabled; return how many."""
    return mails.send_due()


def send_reactions() -> int:
    """Send the Page's reactions that are due; return how many were tried."""
    return reactions.send_reactions()


def refresh_statistics() -> bool:
    """Refresh the statistics of SQLite's tables for the lists, scheduled daily; return False on PostgreSQL."""
    return statistics.refresh_statistics()


def delete_unsaved_canned_files() -> int:
    """Delete the files of forms of canned replies that were not saved; return how many."""
    return canned_files.delete_unsaved()


def delete_old_macro_runs() -> int:
    """Delete the runs of macros that can no longer be undone, scheduled daily; return how many."""
    return macro_runs.delete_old()


def send_reminders() -> int:
    """Send the e-mails to agents that are due; return how many."""
    return reminders.send_due()


def clean_notifications() -> int:
    """Delete browsers of ended sessions and e-mails that are over, scheduled daily; return how many."""
    return browsers.clean()

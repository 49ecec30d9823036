"""The tasks the queue runs for Instant Messaging. A queued task is only a hint: the rows say what is to be done."""

from channels_im.models import FacebookAccount
from channels_im.services.facebook import connection, daily_check, expiry_warnings, subscriptions
from channels_im.services.go_live import progress
from channels_im.services.journal import drain, mentions
from channels_im.services.recovery import history_import, runs, schedule


def drain_journal() -> int:
    """Process the deliveries that are due; return how many."""
    return drain.drain_journal()


def index_journal() -> int:
    """Index who is named in deliveries that were drained before the index existed; return how many."""
    return mentions.index_drained()


def drain_subscriptions() -> int:
    """Check the token and the webhook subscription of the Pages that are due; return how many."""
    return subscriptions.drain_subscriptions()


def mail_administrators() -> int:
    """Send the e-mail about lost Pages if it is due; return how many, 0 or 1."""
    return connection.mail_administrators()


def check_all() -> int:
    """Request a check of every Page with a channel and every Facebook login; scheduled daily. Return how many."""
    return daily_check.check_all()


def drain_recovery() -> int:
    """Do a piece of a recovery that is due; return how many, 0 or 1."""
    return runs.drain_recovery()


def drain_history_imports() -> int:
    """Do a piece of a history import that is due; return how many, 0 or 1."""
    return history_import.drain_history_imports()


def recover_nightly() -> int:
    """Request the nightly recovery of the Pages whose turn it is; scheduled hourly. Return how many."""
    return schedule.recover_nightly()


def check_account(pk: int) -> bool:
    """Check one Facebook login with Meta; return False when it was deleted or Meta gave no answer."""
    account = FacebookAccount.objects.filter(pk=pk).first()
    return account is not None and daily_check.check_account(account)


def check_going_live() -> int:
    """Make the checks of *Go live* if they were requested; return how many steps were checked."""
    return progress.run_checks()


def warn_of_ending_logins() -> int:
    """Warn administrators of Facebook logins that end soon; scheduled hourly. Return how many e-mails were sent."""
    return expiry_warnings.warn()

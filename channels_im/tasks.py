"""What the queue runs for Instant Messaging. A task is a nudge: the rows say what there is to do."""

from channels_im.models import FacebookAccount
from channels_im.services import checking, drain, expiry


def drain_journal() -> int:
    """Take in what Meta delivered; return how many deliveries."""
    return drain.drain_journal()


def check_all() -> int:
    """Ask Meta about every Page with a channel and every Facebook login; scheduled daily."""
    return checking.check_all()


def check_account(pk: int) -> bool:
    """Ask Meta about one Facebook login; False when it is gone or Meta gave no answer."""
    account = FacebookAccount.objects.filter(pk=pk).first()
    return account is not None and checking.check_account(account)


def warn_of_ending_logins() -> int:
    """Tell administrators of Facebook logins that end soon; scheduled hourly. Returns how many e-mails were sent."""
    return expiry.warn()

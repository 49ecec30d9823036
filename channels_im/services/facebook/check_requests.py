"""Request a check of Pages: set a due time on their rows. `subscriptions` does the checks."""

from django.utils import timezone

from channels_im.models import Page
from desk.queue import enqueue

TASK = "channels_im.tasks.drain_subscriptions"


def request_check(*page_pks: int) -> None:
    """Request a check of the token and subscription of these Pages (primary keys); it runs after the commit."""
    if not page_pks:
        return
    Page.objects.filter(pk__in=page_pks).update(
        subscription_due_at=timezone.now(), subscription_attempts=0, subscription_error=""
    )
    enqueue(TASK)

"""That a Page is to be checked: a due time on its row. `subscriptions` does the checking; the queue is only a nudge."""

from django.utils import timezone

from channels_im.models import Page
from desk.queue import enqueue

TASK = "channels_im.tasks.drain_subscriptions"


def request_check(*page_pks: int) -> None:
    """Ask for the token and the subscription of these Pages (primary keys) to be checked, once this is committed."""
    if not page_pks:
        return
    Page.objects.filter(pk__in=page_pks).update(
        subscription_due_at=timezone.now(), subscription_attempts=0, subscription_error=""
    )
    enqueue(TASK)

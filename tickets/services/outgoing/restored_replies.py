"""Replies in a restored backup: the old Desk may have sent them after the backup was made."""

from django.utils import timezone

from desk.backup.after_restore import Circumstances
from desk.sentences import counted, sentence
from tickets.models import Conversation, Message

State = Message.State

MAY_BE_SENT = sentence(
    "Desk was restored from a backup and may have sent this before. It finds out whether the message arrived."
)
WAS_WAITING = sentence(
    "Held until the customer writes, when a backup was made from which Desk was restored since. Look in the Page inbox "
    "on Facebook whether it was sent, then send it again or cancel it."
)


def make_sure(circumstances: Circumstances) -> list[str]:
    """Let Desk find out whether queued replies were sent, and an agent decide about those that waited for the customer.

    Nothing is sent twice: a look-up (delivery_status) sends only what Meta does not have. When the old Desk was stopped
    before the backup, replies go on as if nothing had happened. Nobody is connected yet, so nothing is announced.
    """
    if circumstances.moved:
        return []
    queued = Message.objects.filter(state__in=(State.QUEUED, State.SENDING)).update(
        state=State.UNSURE, reason=MAY_BE_SENT, retry_after=timezone.now(), claimed_by=""
    )
    waiting = Message.objects.filter(state=State.HELD, waits_for_customer=True).update(
        waits_for_customer=False, reason=WAS_WAITING
    )
    Conversation.objects.filter(holds_reply=True).update(holds_reply=False)
    sentences = []
    if queued:
        sentences.append(
            counted(
                "%(count)s reply was on its way when the backup was made. Desk asks Facebook whether it arrived, and "
                "sends it only if it did not.",
                "%(count)s replies were on their way when the backup was made. Desk asks Facebook whether they "
                "arrived, and sends only those that did not.",
                queued,
            )
        )
    if waiting:
        sentences.append(
            counted(
                "%(count)s reply was held until the customer writes. It now waits for an agent, since the old Desk "
                "may have sent it.",
                "%(count)s replies were held until the customer writes. They now wait for an agent, since the old "
                "Desk may have sent them.",
                waiting,
            )
        )
    return sentences

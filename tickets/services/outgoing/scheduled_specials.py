"""Until when a reply can be scheduled; stickers and templates that are sent later.

A sticker needs the first 24 hours after the customer's last message, a template no window at all.
"""

from datetime import UTC, datetime

from django.utils import timezone

from desk.sentences import sentence
from tickets.models import Conversation, ScheduledReply
from tickets.rules import scheduling, sent_as
from tickets.rules.sending import Refusal, Verdict, may_send
from tickets.rules.sent_as import StoredForm
from tickets.rules.window import WindowState
from tickets.services.outgoing import replies, template_replies
from tickets.services.outgoing.replies import ReplyError, SpecialPart

NO_TEXT = sentence("A sticker or a template has no text to edit. Change its time, or cancel it and choose another one.")


class TooLateError(ReplyError):
    """The messaging window will be closed at the chosen time. `latest` is None when no time is left."""

    def __init__(self, closes_at: datetime, latest: datetime | None) -> None:
        self.closes_at, self.latest = closes_at, latest
        closes = f"{closes_at.astimezone(UTC):%-d %B %Y at %H:%M}"
        if latest is None:
            words = sentence(
                "The messaging window closes on %(closes)s UTC, too soon to schedule a reply.", closes=closes
            )
        else:
            words = sentence(
                "The messaging window closes on %(closes)s UTC. The latest time to which you can schedule a reply is "
                "%(latest)s UTC.",
                closes=closes,
                latest=f"{latest.astimezone(UTC):%-d %B %Y at %H:%M}",
            )
        super().__init__(Verdict(False, Refusal.WINDOW_CLOSED, words))


class StickerTooLateError(ReplyError):
    """Facebook will not accept a sticker any more at the chosen time."""

    def __init__(self, closes_at: datetime) -> None:
        words = sentence(
            "Facebook accepts stickers only in the first 24 hours after the customer's last message: until %(closes)s "
            "UTC. Choose an earlier time, or write a text.",
            closes=f"{closes_at.astimezone(UTC):%-d %B %Y at %H:%M}",
        )
        super().__init__(Verdict(False, Refusal.STICKER_REFUSED, words))


def closes_at(conversation: Conversation, now: datetime, form: StoredForm | None = None) -> datetime | None:
    """Return until when this can be sent, None when it cannot. `form` is that of a sticker; a template has no end."""
    window = replies.window_of(conversation, now)
    if sent_as.sticker_in(form):
        return window.response_until if window.state is WindowState.RESPONSE else None
    return window.closes_at if window.is_open else None


def require_window(conversation: Conversation, send_at: datetime, form: StoredForm | None = None) -> None:
    """Raise ReplyError unless the messaging window lets this be sent at `send_at`; a template needs none."""
    if sent_as.template_in(form):
        return
    now = timezone.now()
    closes = closes_at(conversation, now, form)
    if closes is None:
        facts = replies.send_facts(None, conversation, author_is_human=True, now=now, form=form)
        raise ReplyError(may_send(facts))
    if not scheduling.fits(send_at, closes):
        if sent_as.sticker_in(form):
            raise StickerTooLateError(closes)
        last = scheduling.latest(closes)
        raise TooLateError(closes, last if last and last > now else None)


def part_of(conversation: Conversation, row: ScheduledReply) -> SpecialPart | None:
    """Return the sticker or template that a row is, None for text and files. Raises ReplyError.

    A template is read again: Meta sends it as it is approved now, and refuses one that was deleted meanwhile.
    """
    use = sent_as.template_in(row.sent_as)
    if use is not None:
        return template_replies.part_of(conversation, use.name, use.language, use.values)
    return SpecialPart(row.sent_as, row.text, row.card) if row.sent_as else None

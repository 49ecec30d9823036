"""Snooze a conversation, and wake it by hand. How a snooze ends by itself is in conversation/snoozing.py."""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta, tzinfo

from django.db import transaction
from django.utils import timezone
from django.utils.translation import gettext_lazy

from desk.errors import Refused
from desk.models import User
from desk.sentences import sentence
from tickets.models import Conversation, EventType
from tickets.rules import snoozing as rules
from tickets.rules.sending import Refusal
from tickets.rules.snoozing import Choice, Shift
from tickets.services.conversation import messages, snoozing
from tickets.services.outgoing import replies
from tickets.services.webhooks import events


@dataclass(frozen=True)
class Option:
    """A line of the menu: when the conversation would come back, and whether the messaging window is closed then."""

    choice: Choice
    at: datetime
    is_shut: bool

    @property
    def label(self) -> str:
        """Return the words of the menu."""
        return str(LABELS[self.choice][0])

    @property
    def command(self) -> str:
        """Return the words of the command bar."""
        return str(LABELS[self.choice][1])


LABELS = {
    Choice.LATER: (gettext_lazy("In 3 hours"), gettext_lazy("Snooze for 3 hours")),
    Choice.TOMORROW: (gettext_lazy("Tomorrow, 9:00"), gettext_lazy("Snooze until tomorrow, 9:00")),
    Choice.MONDAY: (gettext_lazy("Next Monday, 9:00"), gettext_lazy("Snooze until next Monday, 9:00")),
    Choice.BEFORE_CLOSING: (
        gettext_lazy("Two hours before the window closes"),
        gettext_lazy("Snooze until two hours before the window closes"),
    ),
}


def options(conversation: Conversation, zone: tzinfo) -> list[Option]:
    """Return the choices with a time that are possible now. Makes no query."""
    now = timezone.now()
    closes_at = _closes_at(conversation, now)
    found = ((choice, rules.time_of(choice, now, zone, closes_at)) for choice in Choice)
    return [Option(choice, time.at, rules.is_shut(time.at, closes_at)) for choice, time in found if time]


def snooze_by_choice(
    user: User, conversation: Conversation, choice: str, wall: str, zone: tzinfo, age: timedelta = timedelta(0)
) -> None:
    """Snooze by a choice of the menu; `wall` is the time of `Choice.TIME` in `zone`. Raises Refused.

    `age` is how long ago it was chosen, of a request that waited for the connection.
    """
    if choice not in tuple(Choice):
        raise Refused(sentence("Choose until when to snooze this conversation."))
    if choice == Choice.REPLY:
        snooze(user, conversation, None)
        return
    now, note = timezone.now(), ""
    if choice == Choice.TIME:
        chosen = rules.parse_wall(wall)
        try:
            time = rules.resolve(chosen, zone) if chosen else None
        except OverflowError:
            time = None
        if chosen is None or time is None:
            raise Refused(sentence("Choose a day and a time until which to snooze this conversation."))
        note = _note(time.shift, f"{chosen:%H:%M}")
    else:
        time = rules.time_of(Choice(choice), now - age, zone, _closes_at(conversation, now))
    if time is None:
        raise Refused(
            sentence("The messaging window closes in less than two hours, or is closed. Choose another time.")
        )
    snooze(user, conversation, time.at, note)


def snooze(user: User, conversation: Conversation, until: datetime | None, note: str = "") -> None:
    """Snooze until this time, or with None until the customer writes. `note` is shown with its line. Raises Refused.

    A snoozed conversation gets the new time. The customer's next message wakes it in any case.
    """
    if until is not None and not rules.is_possible(until, timezone.now()):
        raise Refused(sentence("Choose a time that is still to come, within a year."))
    with transaction.atomic():
        messages.lock(conversation)
        conversation.channel.refresh_from_db(fields=["deleted_at"])
        if conversation.channel.is_deleted:
            raise Refused(
                sentence("This channel was deleted: its conversations can be read, but not snoozed."),
                Refusal.CHANNEL_DELETED,
            )
        if not conversation.is_open:
            raise Refused(sentence("This conversation has no open ticket. Reopen it before you snooze it."))
        if conversation.is_snoozed and conversation.snoozed_until == until:
            return
        conversation.is_snoozed, conversation.snoozed_until = True, until
        conversation.save(update_fields=["is_snoozed", "snoozed_until"])
        _add_line(user, conversation, until, note)
        events.publish(EventType.CONVERSATION_SNOOZED, conversation, by=user)
        messages.announce(conversation)


def wake(user: User, conversation: Conversation) -> None:
    """End the snooze; without one, do nothing."""
    with transaction.atomic():
        messages.lock(conversation)
        if snoozing.end(conversation, "agent", user):
            snoozing.add_line(conversation, snoozing.WOKEN, sentence("%(user)s ended the snooze", user=user), user)
            messages.announce(conversation)


def _add_line(user: User, conversation: Conversation, until: datetime | None, note: str) -> None:
    """Say in the thread who snoozed it until when. On screens the time is that of the reader (`card_title`)."""
    if until is None:
        title = sentence("%(user)s snoozed this conversation until the customer writes", user=user)
        snoozing.add_line(conversation, "snoozed", title, user)
        return
    is_shut = rules.is_shut(until, _closes_at(conversation, timezone.now()))
    when = f"{until.astimezone(UTC):%Y-%m-%d %H:%M} UTC"
    if is_shut:
        title = sentence(
            "%(user)s snoozed this conversation until %(when)s, when the messaging window will be closed",
            user=user,
            when=when,
        )
    else:
        title = sentence("%(user)s snoozed this conversation until %(when)s", user=user, when=when)
    facts = {"by": str(user), "until": until.astimezone(UTC).isoformat(), "is_shut": is_shut}
    snoozing.add_line(conversation, "snoozed", title, user, note, **facts)


def _note(shift: Shift, wall: str) -> str:
    if shift is Shift.SKIPPED:
        return sentence("%(wall)s does not exist on that day, because the clocks go forward.", wall=wall)
    if shift is Shift.TWICE:
        return sentence("%(wall)s comes twice on that day, because the clocks go back: the first is meant.", wall=wall)
    return ""


def _closes_at(conversation: Conversation, now: datetime) -> datetime | None:
    window = replies.window_of(conversation, now)
    return window.closes_at if window.is_open else None

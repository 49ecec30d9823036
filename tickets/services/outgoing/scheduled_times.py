"""The times of *Send later*: what the composer's menu offers, and what a choice of it means."""

from dataclasses import dataclass
from datetime import datetime, timedelta, tzinfo

from django.utils import timezone
from django.utils.translation import gettext_lazy

from desk.sentences import sentence
from tickets.models import Conversation
from tickets.rules import scheduling, sent_as, snoozing
from tickets.rules.scheduling import Choice
from tickets.rules.sent_as import StoredForm
from tickets.services.outgoing.replies import not_possible
from tickets.services.outgoing.scheduled_specials import closes_at

LABELS = {
    Choice.HOUR: gettext_lazy("In 1 hour"),
    Choice.EVENING: gettext_lazy("This evening, 18:00"),
    Choice.TOMORROW: gettext_lazy("Tomorrow, 9:00"),
    Choice.MONDAY: gettext_lazy("Next Monday, 9:00"),
    Choice.LAST: gettext_lazy("Just before the window closes"),
}


@dataclass(frozen=True)
class Option:
    """A line of the menu. `fits` says whether the messaging window is still open at that time."""

    choice: Choice
    at: datetime
    fits: bool

    @property
    def label(self) -> str:
        return str(LABELS[self.choice])


def options(conversation: Conversation, zone: tzinfo, form: StoredForm | None = None) -> list[Option]:
    """Return the choices with a time that are possible now. Makes no query. `form` is of a sticker or a template."""
    now = timezone.now()
    closes = closes_at(conversation, now, form)
    is_template = sent_as.template_in(form) is not None
    found = ((choice, scheduling.time_of(choice, now, zone, closes)) for choice in Choice)
    return [Option(choice, time.at, is_template or scheduling.fits(time.at, closes)) for choice, time in found if time]


def time_of_choice(
    conversation: Conversation,
    choice: str,
    wall: str,
    zone: tzinfo,
    age: timedelta = timedelta(0),
    form: StoredForm | None = None,
) -> datetime:
    """Return the time of a choice of the menu; `wall` is that of `Choice.TIME` in `zone`. Raises ReplyError.

    `age` is how long ago it was chosen: a request that waited for the connection means the hour after that.
    """
    if choice not in tuple(Choice):
        raise not_possible(sentence("Choose when to send this reply."))
    now = timezone.now()
    if choice != Choice.TIME:
        found = scheduling.time_of(Choice(choice), now - age, zone, closes_at(conversation, now, form))
        if found is None or found.at <= now:
            raise not_possible(sentence("This time is over, or the messaging window is closed. Choose another time."))
        return found.at
    chosen = snoozing.parse_wall(wall)
    try:
        if chosen is not None:
            return snoozing.resolve(chosen, zone).at
    except OverflowError:
        pass
    raise not_possible(sentence("Choose a day and a time at which to send this reply."))

"""The kinds of what people can be notified of. A new kind is one `register` here, or in the `ready()` of its app.

Whoever makes it happen calls `tickets.services.conversation.notices.record(name, …)` in the transaction of the change.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from django.db.models import Q
from django.utils.functional import Promise
from django.utils.translation import gettext, gettext_lazy

from desk.languages import translated
from desk.models import Agent, User
from desk.text import one_line
from tickets.models import Conversation, Mention, Message, ScheduledReply
from tickets.services.conversation import notices, previews

TEXT_CHARS = 140
Text = str | Promise


@dataclass(frozen=True)
class Subject:
    """What a notification is about, as it is when the notification is made."""

    conversation: Conversation
    message: Message | None = None
    by: User | None = None

    @property
    def name(self) -> str:
        """The customer's name."""
        return self.conversation.contact.display_name

    @property
    def words(self) -> str:
        """What the message says, in one line and the active language."""
        if self.message is None:
            return previews.in_language(self.conversation.preview)
        if self.message.kind == Message.Kind.EVENT:
            return gettext("Snooze ended")
        return previews.in_language(previews.preview_of(self.message, TEXT_CHARS)) or gettext("A file or card")


@dataclass(frozen=True)
class Kind:
    """A kind of notification. Texts are made in the language of the person, by functions of the subject.

    `label` and `help` stand in the settings; `plain` is all that is said to whoever hides texts. `holds` says whether
    it is still true for a user (id) when it is sent. `candidates` returns the ids of users whom it may concern;
    without it `notices.record` names the person. `waits`: the e-mail comes only after the customer has waited.
    `may_reply`: the notification offers a reply to the customer.
    """

    name: str
    label: Text
    plain: Text
    holds: Callable[[Subject, int], bool]
    title: Callable[[Subject], str]
    text: Callable[[Subject], str]
    help: Text = ""
    candidates: Callable[[Conversation], set[int]] | None = None
    waits: bool = False
    may_reply: bool = False
    push_at_first: bool = False  # in the choices of somebody who has not chosen


_kinds: dict[str, Kind] = {}


def register(kind: Kind) -> None:
    """Add a kind to the settings of everybody."""
    _kinds[kind.name] = kind


def all_kinds() -> list[Kind]:
    """Return all kinds in the order of their registration."""
    return list(_kinds.values())


def get(name: str) -> Kind | None:
    """Return the kind of this name, None when this version has none."""
    return _kinds.get(name)


# --- Desk's own -------------------------------------------------------------------------------------------------------
def _is_news(subject: Subject) -> bool:
    """Return whether the customer's message is still new: nobody has read or answered it, or closed the ticket."""
    conversation, message = subject.conversation, subject.message
    if message is not None and message.kind == Message.Kind.EVENT:
        return True  # the end of a snooze
    return bool(conversation.unread_count or conversation.waiting_since) and not conversation.contact.is_blocked


def _is_mine(subject: Subject, user_id: int) -> bool:
    return subject.conversation.assignee_id == user_id and _is_news(subject)


def _is_unassigned(subject: Subject, _user_id: int) -> bool:
    return subject.conversation.assignee_id is None and _is_news(subject)


def _is_assigned(subject: Subject, user_id: int) -> bool:
    return subject.conversation.assignee_id == user_id


def _is_failed(subject: Subject, user_id: int) -> bool:
    message = subject.message
    if message is not None and message.kind == Message.Kind.EVENT:  # about a scheduled reply
        kept = ScheduledReply.objects.filter(conversation=subject.conversation, state=ScheduledReply.State.NOT_SENT)
        return (message.card or {}).get("notifies") == user_id and kept.exists()
    states = (Message.State.FAILED, Message.State.HELD)
    return message is not None and message.author_id == user_id and message.state in states


def _is_unseen_mention(subject: Subject, user_id: int) -> bool:
    return Mention.objects.filter(reader=user_id, message=subject.message, seen_at=None).exists()


def _mentioned_by(subject: Subject) -> str:
    user = subject.by or gettext("A former colleague")
    return gettext("%(user)s mentioned you: %(name)s") % {"user": user, "name": subject.name}


def _of_department(conversation: Conversation) -> set[int]:
    """Return the users who belong to the department or the channel of a conversation."""
    theirs: Any = Q(departments=conversation.department_id) | Q(associations__channel=conversation.channel_id)
    return set(Agent.objects.filter(theirs, user__is_active=True).values_list("user_id", flat=True))


def _assigned_by(subject: Subject) -> str:
    if subject.by is None:
        return subject.words
    return gettext("%(user)s assigned this conversation to you.") % {"user": subject.by}


def _why_failed(subject: Subject) -> str:
    message = subject.message
    if message is None:
        return ""
    reason = (message.card or {}).get("text", "") if message.kind == Message.Kind.EVENT else message.reason
    return one_line(translated(reason), 2 * TEXT_CHARS)


register(
    Kind(
        notices.MINE,
        label=gettext_lazy("A customer writes in one of my conversations"),
        help=gettext_lazy("The e-mail comes when they wait for a reply."),
        plain=gettext_lazy("New message"),
        holds=_is_mine,
        title=lambda subject: subject.name,
        text=lambda subject: subject.words,
        waits=True,
        may_reply=True,
        push_at_first=True,
    )
)
register(
    Kind(
        notices.UNASSIGNED,
        label=gettext_lazy("A customer writes in an unassigned conversation of my departments"),
        help=gettext_lazy("The e-mail comes when they wait for a reply."),
        plain=gettext_lazy("New message, unassigned"),
        holds=_is_unassigned,
        title=lambda subject: gettext("%(name)s (unassigned)") % {"name": subject.name},
        text=lambda subject: subject.words,
        candidates=_of_department,
        waits=True,
        may_reply=True,
    )
)
register(
    Kind(
        notices.ASSIGNED,
        label=gettext_lazy("A colleague assigns a conversation to me"),
        plain=gettext_lazy("A conversation was assigned to you"),
        holds=_is_assigned,
        title=lambda subject: gettext("Assigned to you: %(name)s") % {"name": subject.name},
        text=_assigned_by,
        push_at_first=True,
    )
)
register(
    Kind(
        notices.MENTION,
        label=gettext_lazy("A colleague mentions me in a note"),
        plain=gettext_lazy("You were mentioned in a note"),
        holds=_is_unseen_mention,
        title=_mentioned_by,
        text=lambda subject: subject.words,
        push_at_first=True,
    )
)
register(
    Kind(
        notices.FAILED,
        label=gettext_lazy("One of my replies is not sent"),
        plain=gettext_lazy("A reply was not sent"),
        holds=_is_failed,
        title=lambda subject: gettext("Not sent: your reply to %(name)s") % {"name": subject.name},
        text=_why_failed,
        push_at_first=True,
    )
)

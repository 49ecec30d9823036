"""Labels: which ones a ticket may get, and adding, changing, merging and deleting them."""

from collections.abc import Collection, Iterable
from typing import Any

from django.db import IntegrityError, transaction
from django.db.models import Exists, OuterRef, Q, QuerySet

from channels_im.models import Channel
from desk import audit_log
from desk.errors import Refused
from desk.live import publish
from desk.models import Agent, User
from desk.prepared import PreparedModels
from desk.sentences import counted, sentence
from tickets.models import Conversation, Label, Ticket
from tickets.rules.sending import clean_text
from tickets.services.conversation import messages
from tickets.services.conversation.access import UserFacts
from tickets.services.inbox import macros, saved_views
from tickets.services.inbox.counts import CountUpToLimit

VIEW = "tickets.view_label"
OnTicket = Ticket.labels.through
FIELDS = ("name", "color", "description", "department")
#: What was changed, in the words of the history.
WORDS = {
    "name": sentence("name"),
    "color": sentence("colour"),
    "description": sentence("description"),
    "department": sentence("department"),
}
MOST = 300  # labels; more of them nobody finds
COUNT_LIMIT = 10_000  # more tickets of a label are not counted
MOST_ANNOUNCED = 500  # conversations; the rows of others follow with their next change
GONE = sentence("Somebody has deleted this label meanwhile.")


def offered(conversation: Conversation) -> QuerySet[Label, Label]:
    """Return the labels that tickets of this conversation may get: those of every department and of its own."""
    return Label.objects.filter(_offered(conversation.department_id))


def _offered(department_id: int) -> Q:
    return Q(department=None) | Q(department_id=department_id)


def of_ticket(ticket: Ticket, conversation: Conversation) -> tuple[list[Label], list[Label]]:
    """Return the labels of this ticket of the conversation, and the others that it may get; one query."""
    rows = _present_or_offered.rows(ticket=ticket.pk, department=conversation.department_id)
    return [row for row in rows if row.is_present], [row for row in rows if not row.is_present]


def _with_presence(*, ticket: int, department: int) -> QuerySet[Label, Any]:
    attached = Exists(OnTicket.objects.filter(ticket=ticket, label=OuterRef("pk")))
    return Label.objects.annotate(is_present=attached).filter(_offered(department) | Q(is_present=True))


_present_or_offered = PreparedModels(_with_presence)


def seen_by(facts: UserFacts) -> QuerySet[Label, Label]:
    """Return the labels of every department, and those of the departments and channels of a user with these facts."""
    if facts.sees_all:
        return Label.objects.all()
    of_channels = Channel.objects.filter(pk__in=facts.channel_ids).values("department")
    own = Q(department_id__in=facts.department_ids) | Q(department_id__in=of_channels)
    return Label.objects.filter(Q(department=None) | own)


def listed_for(user: User, facts: UserFacts) -> QuerySet[Label, Label]:
    """Return the labels that the user may list: an agent those of `seen_by`, and who may view them in Setup all."""
    if user.has_perm(VIEW):
        return Label.objects.all()
    return seen_by(facts) if facts.sees_all or Agent.objects.filter(user=user).exists() else Label.objects.none()


def with_counts(labels: QuerySet[Label, Label]) -> QuerySet[Label, Label]:
    """Return the labels with `ticket_count`: how many tickets have each, at most COUNT_LIMIT + 1."""
    of_label = OnTicket.objects.filter(label=OuterRef("pk")).order_by().values("pk")[: COUNT_LIMIT + 1]
    return labels.annotate(ticket_count=CountUpToLimit(of_label))


def ticket_count(label: Label) -> int:
    """Return how many tickets have this label."""
    return OnTicket.objects.filter(label=label).count()


def key_of(name: str) -> str:
    """Return the name without case, by which it is unique."""
    return name.casefold()


def save(by: User, label: Label | None, values: dict[str, Any]) -> Label:
    """Save a label, a new one when `label` is None. Values that are not given stay. Raises Refused, with the field."""
    values = dict(values)
    if "name" in values:
        values["name"] = " ".join(clean_text(values["name"]).split())
        if not values["name"]:
            raise Refused(sentence("Give the label a name."), field="name")
    try:
        with transaction.atomic():
            return _add(by, values) if label is None else _change(by, label, values)
    except IntegrityError:  # somebody else saved the name at this moment
        raise _taken(values.get("name") or (label.name if label else "")) from None


def delete(by: User, label: Label) -> int:
    """Delete a label, and remove it from its tickets; return from how many."""
    with transaction.atomic():
        if not _locked([label.pk]):
            return 0
        shown = _conversations_with(label)
        count = ticket_count(label)
        entry = counted("Deleted; it was on %(count)s ticket.", "Deleted; it was on %(count)s tickets.", count)
        audit_log.record(by, label, audit_log.DELETION, entry)
        Label.objects.filter(pk=label.pk).delete()
        _announce(shown)
    return count


def merge_targets(label: Label) -> QuerySet[Label, Label]:
    """Return the labels into which this one may be merged: whose departments include its own."""
    others = Label.objects.exclude(pk=label.pk)
    if label.department_id is None:
        return others.filter(department=None)
    return others.filter(Q(department=None) | Q(department=label.department_id))


def merge(by: User, label: Label, into: Label) -> int:
    """Give all tickets of `label` the label `into`, and delete `label`; return how many tickets. Raises Refused."""
    with transaction.atomic():
        if len(_locked([label.pk, into.pk])) < 2:
            raise Refused(sentence("One of these labels was deleted meanwhile. Nothing was merged."), field="into")
        if not merge_targets(label).filter(pk=into.pk).exists():
            raise Refused(sentence("Choose a label of the same department, or of every department."), field="into")
        shown = _conversations_with(label)
        count = ticket_count(label)
        has_both = OnTicket.objects.filter(label=into).values("ticket")
        OnTicket.objects.filter(label=label).exclude(ticket__in=has_both).update(label=into)
        macros.merged(label, into)
        saved_views.replace_label(label.pk, into.pk)
        entry = sentence("Merged into “%(name)s”.", name=into)
        audit_log.record(by, label, audit_log.DELETION, entry)
        audit_log.record(by, into, audit_log.CHANGE, sentence("“%(name)s” was merged into it.", name=label))
        Label.objects.filter(pk=label.pk).delete()
        _announce(shown)
    return count


def _add(by: User, values: dict[str, Any]) -> Label:
    if Label.objects.count() >= MOST:
        raise Refused(sentence("There are %(most)s labels. Delete one, or merge two, first.", most=MOST), field="name")
    label = Label(**{name: values[name] for name in FIELDS if name in values})
    label.key = key_of(label.name)
    _check_name(label)
    label.save(force_insert=True)
    audit_log.record(by, label, audit_log.ADDITION, sentence("Added."))
    return label


def _change(by: User, label: Label, values: dict[str, Any]) -> Label:
    stored = next(iter(_locked([label.pk])), None)
    if stored is None:
        raise Refused(GONE, field="name")
    changed = [name for name in FIELDS if name in values and getattr(stored, name) != values[name]]
    if not changed:
        return stored
    for name in changed:
        setattr(stored, name, values[name])
    stored.key = key_of(stored.name)
    _check_name(stored)
    stored.save(update_fields=[*changed, "key"])
    names = ", ".join(WORDS[name] for name in changed)
    audit_log.record(by, stored, audit_log.CHANGE, sentence("Changed %(fields_text)s.", fields_text=names))
    _announce(_conversations_with(stored))
    return stored


def _check_name(label: Label) -> None:
    """Raise Refused when a label that is offered beside this one has its name."""
    same = Label.objects.filter(key=label.key).exclude(pk=label.pk)
    if label.department_id is not None:
        same = same.filter(Q(department=None) | Q(department=label.department_id))
    if same.exists():
        raise _taken(label.name)


def _taken(name: str) -> Refused:
    return Refused(sentence("There is a label “%(name)s” already.", name=name), field="name")


def _locked(ids: Collection[int]) -> list[Label]:
    """Lock these labels, in one order for everybody: no ticket gets one of them meanwhile."""
    return list(Label.objects.select_for_update().filter(pk__in=ids).order_by("pk"))


def _conversations_with(label: Label) -> list[Conversation]:
    """Return the newest conversations that show this label."""
    shown = Conversation.objects.filter(current_ticket__labels=label).order_by("-last_message_at", "-pk")
    return list(shown[:MOST_ANNOUNCED])


def _announce(conversations: Iterable[Conversation]) -> None:
    with publish.batched():
        for conversation in conversations:
            messages.announce(conversation)

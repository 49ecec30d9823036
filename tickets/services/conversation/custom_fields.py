"""Custom fields: what they say about contacts and tickets, and the conditions that find rows by them."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date
from typing import Any

from django.db.models import FilteredRelation, Prefetch, Q, QuerySet, Value
from django.db.models.functions import Coalesce

from channels_im.models import Channel
from desk.prepared import PreparedModels
from tickets.models import Contact, Conversation, CustomField, FieldValue, Ticket
from tickets.rules import custom_fields as rules
from tickets.services.conversation.access import UserFacts

Of = CustomField.Of
#: Where the contact and the ticket of a row are, by the model of the row.
OWNERS: dict[type[Any], dict[str, str]] = {
    Contact: {Of.CONTACT: "pk"},
    Ticket: {Of.CONTACT: "conversation__contact_id", Of.TICKET: "pk"},
    Conversation: {Of.CONTACT: "contact_id", Of.TICKET: "current_ticket_id"},
}


@dataclass(frozen=True)
class Shown:
    """A field of a contact or ticket as pages show it; `stored` is "" without a value.

    A field of another department is shown with the value that it still has, and can only be emptied.
    """

    field: CustomField
    stored: str
    is_offered: bool = True

    @property
    def day(self) -> date | None:
        """Return the value of a date."""
        return date.fromisoformat(self.stored) if self.stored and self.field.kind == rules.Kind.DATE else None

    @property
    def words(self) -> str:
        """Return the value in words, in English."""
        return rules.for_people(self.field.definition, self.stored) if self.stored else ""


def active() -> QuerySet[CustomField, CustomField]:
    """Return the fields that are not archived, in their order."""
    return CustomField.objects.filter(archived_at=None)


def is_offered(department_id: int) -> Q:
    """Return the condition for fields that tickets of this department may have; those of contacts are for all."""
    return Q(department=None) | Q(department=department_id)


def seen_by(facts: UserFacts) -> QuerySet[CustomField, CustomField]:
    """Return the fields of every department, and those of the departments and channels of a user with these facts."""
    if facts.sees_all:
        return CustomField.objects.all()
    of_channels = Channel.objects.filter(pk__in=facts.channel_ids).values("department")
    own = Q(department_id__in=facts.department_ids) | Q(department_id__in=of_channels)
    return CustomField.objects.filter(Q(department=None) | own)


def of_conversation(conversation: Conversation) -> dict[str, list[Shown]]:
    """Return the fields of the contact and of the current ticket, {"contact": […], "ticket": […]}, in one query."""
    found: dict[str, list[Shown]] = {Of.CONTACT: [], Of.TICKET: []}
    for field in _with_values.rows(
        (conversation.current_ticket_id is not None,),
        contact=conversation.contact_id,
        ticket=conversation.current_ticket_id or 0,
        department=conversation.department_id,
    ):
        offered = field.department_id in (None, conversation.department_id)
        found[field.of].append(Shown(field, field.stored, offered))
    return {str(of): rows for of, rows in found.items()}


def _stored(has_ticket: bool, *, contact: int, ticket: int, department: int) -> QuerySet[CustomField, Any]:
    # One join for each, so that each looks into the index that begins with the contact or with the ticket.
    of_contact = FilteredRelation("values", condition=Q(values__contact=contact))
    of_ticket = FilteredRelation("values", condition=Q(values__ticket=ticket))
    fields = active().annotate(of_contact=of_contact, of_ticket=of_ticket)
    shown = Q(of=Of.CONTACT)
    if has_ticket:
        shown |= Q(of=Of.TICKET) & (is_offered(department) | Q(of_ticket__isnull=False))
    stored = Coalesce("of_contact__text", "of_ticket__text", Value(""))
    return fields.filter(shown).annotate(stored=stored).order_by("position", "pk")


_with_values = PreparedModels(_stored)


def values_with_fields(*, archived: bool = False) -> "Prefetch[Any]":
    """Return what to prefetch of contacts or tickets, so that `in_api` and `in_words` make no query."""
    values = FieldValue.objects.select_related("field").order_by("field__position", "field")
    return Prefetch("field_values", values if archived else values.filter(field__archived_at=None))


def values_of(owner: Contact | Ticket, *, archived: bool = False) -> QuerySet[FieldValue, FieldValue]:
    """Return the values of a contact or ticket with their fields, in their order."""
    values = owner.field_values.select_related("field").order_by("field__position", "field")
    return values if archived else values.filter(field__archived_at=None)


def in_api(values: Iterable[FieldValue]) -> dict[str, rules.Plain | None]:
    """Return values by the keys of their fields, as JSON has them."""
    return {value.field.key: rules.for_api(value.field.definition, value.text) for value in values}


def in_words(values: Iterable[FieldValue]) -> list[tuple[str, str]]:
    """Return names of fields with their values in words, in English."""
    return [(value.field.name, value.words) for value in values]


# --- finding rows -----------------------------------------------------------------------------------------------------
def find(key: str) -> CustomField | None:
    """Return the field with this key; archived ones are not found."""
    return active().filter(key=key).first() if rules.is_key(key) else None


# --- erasing ----------------------------------------------------------------------------------------------------------
def erase(contact: Contact) -> None:
    """Delete all that fields say about the contact and their tickets, also in archived fields."""
    FieldValue.objects.filter(contact=contact).delete()
    FieldValue.objects.filter(ticket__conversation__contact=contact).delete()

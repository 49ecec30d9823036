"""Write into the custom fields of a contact or a ticket.

Two agents may do so at once: only the fields that are given change. In the same field the last one wins, and the thread
says who wrote what.
"""

from collections.abc import Iterable, Mapping

from django.db import transaction

from desk import audit_log
from desk.errors import Refused
from desk.models import User
from desk.sentences import sentence
from desk.text import one_line
from tickets.models import Contact, Conversation, CustomField, EventType, FieldValue, Ticket
from tickets.rules import custom_fields as rules
from tickets.rules.sending import Refusal
from tickets.services.conversation import messages
from tickets.services.inbox import actions
from tickets.services.inbox.ticket_facts import ERASED, NO_TICKET
from tickets.services.webhooks import events

Of = CustomField.Of
LINE_LIMIT = 120  # characters of a value in the thread
MOST = 100  # fields in one request


def change_contact(user: User, contact: Contact, given: Mapping[str, object]) -> None:
    """Write values (by keys of fields; "" or None empties one) into fields of a contact. All or none. Raises Refused.

    The user may see the contact. Every conversation of the contact gets the lines about it.
    """
    with transaction.atomic():
        # In the order of erasing: the conversations, then the contact.
        conversations = list(Conversation.objects.filter(contact=contact.pk).select_related("contact").order_by("pk"))
        for conversation in conversations:
            messages.lock(conversation)
        if not Contact.objects.select_for_update().filter(pk=contact.pk, erased_at=None).exists():
            raise Refused(ERASED, Refusal.CONTACT_ERASED)
        changed = _write(Of.CONTACT, contact.pk, given)
        if not changed:
            return
        names = ", ".join(field.name for field, _stored in changed)
        entry = sentence("Changed fields: %(names)s.", names=names)
        audit_log.record(user, contact, audit_log.Action.CONTACT, entry)
        keys = [field.key for field, _stored in changed]
        for conversation in conversations:
            for field, stored in changed:
                actions.add_event(conversation, user, "field", _line_of_contact(user, field, stored))
            messages.announce(conversation)
        for conversation in conversations[:1]:
            events.publish(EventType.CONTACT_UPDATED, conversation, by=user, changed=["fields"], fields=keys)


def change_ticket(
    user: User, conversation: Conversation, given: Mapping[str, object], ticket_id: int | None = None
) -> None:
    """Write values into fields of a ticket of the conversation, by default the current one, as `change_contact`."""
    with transaction.atomic():
        messages.lock(conversation)
        if Contact.objects.filter(pk=conversation.contact_id, erased_at__isnull=False).exists():
            raise Refused(ERASED, Refusal.CONTACT_ERASED)
        wanted = ticket_id or conversation.current_ticket_id or 0
        if not Ticket.objects.filter(pk=wanted, conversation=conversation).exists():
            raise Refused(NO_TICKET)
        changed = _write(Of.TICKET, wanted, given, conversation.department_id)
        if not changed:
            return
        for field, stored in changed:
            actions.add_event(conversation, user, "field", _line_of_ticket(user, wanted, field, stored))
        keys = [field.key for field, _stored in changed]
        events.publish(EventType.TICKET_UPDATED, conversation, ticket=wanted, by=user, changed=["fields"], fields=keys)
        messages.announce(conversation)


def _write(
    of: CustomField.Of, owner: int, given: Mapping[str, object], department_id: int | None = None
) -> list[tuple[CustomField, str]]:
    """Write the values and return what changed, each with its stored value. The caller has locked the owner."""
    if len(given) > MOST:
        raise Refused(sentence("At most %(most)s fields go into one request.", most=MOST), field="fields")
    fields = _locked(of, given.keys())
    before = {
        value.field_id: value for value in FieldValue.objects.filter(**{of.value: owner}, field__in=fields.values())
    }
    changed = []
    for key, value in given.items():
        field = fields[key]
        try:
            stored = rules.stored_value(field.definition, value)
        except Refused as error:
            raise Refused(error.sentence, field="fields") from None
        old = before.get(field.pk)
        if stored == (old.text if old else ""):
            continue
        if stored and field.department_id is not None and field.department_id != department_id:
            raise Refused(
                sentence("“%(name)s” is not for the tickets of this department.", name=field.name), field="fields"
            )
        if not stored:
            FieldValue.objects.filter(**{of.value: owner}, field=field).delete()
        else:
            row = old or FieldValue(field=field)
            setattr(row, f"{of.value}_id", owner)
            row.text, row.lookup = stored, rules.lookup_of(stored)
            row.save()
        changed.append((field, stored))
    return changed


def _locked(of: CustomField.Of, keys: Iterable[str]) -> dict[str, CustomField]:
    """Lock these fields by key: none is archived and no choice removed until the values are written."""
    wanted = list(keys)
    rows = (
        CustomField.objects.select_for_update(no_key=True)
        .filter(key__in=filter(rules.is_key, wanted), of=of)
        .order_by("pk")
    )
    found = {field.key: field for field in rows}
    for key in wanted:
        if key not in found:
            raise Refused(sentence("There is no field “%(key)s” here.", key=key[:60]), field="fields")
        if found[key].archived_at is not None:
            archived = sentence("The field “%(name)s” was archived meanwhile. Nothing was saved.", name=found[key].name)
            raise Refused(archived, field="fields")
    return found


def _line_of_contact(user: User, field: CustomField, stored: str) -> str:
    if not stored:
        return sentence("%(user)s emptied “%(field)s” of the customer", user=user, field=field)
    value = one_line(rules.for_people(field.definition, stored), LINE_LIMIT)
    return sentence(
        "%(user)s set “%(field)s” of the customer to “%(value_text)s”", user=user, field=field, value_text=value
    )


def _line_of_ticket(user: User, number: int, field: CustomField, stored: str) -> str:
    if not stored:
        return sentence("%(user)s emptied “%(field)s” of ticket #%(number)s", user=user, field=field, number=number)
    value = one_line(rules.for_people(field.definition, stored), LINE_LIMIT)
    return sentence(
        "%(user)s set “%(field)s” of ticket #%(number)s to “%(value_text)s”",
        user=user,
        field=field,
        number=number,
        value_text=value,
    )

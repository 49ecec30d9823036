"""Custom fields in Setup: adding, changing, ordering, archiving and deleting them, and their choices."""

from collections.abc import Collection
from decimal import Decimal
from typing import Any

from django.db import IntegrityError, transaction
from django.db.models import F, Max, OuterRef, QuerySet
from django.utils import timezone
from django.utils.crypto import get_random_string

from desk import audit_log
from desk.errors import Refused
from desk.live import publish
from desk.models import Agent, User
from desk.sentences import sentence
from desk.text import is_blank, without_directions
from tickets.models import Conversation, CustomField, FieldValue
from tickets.rules import custom_fields as rules
from tickets.rules.sending import clean_text
from tickets.services.conversation import custom_fields, messages
from tickets.services.conversation.access import UserFacts
from tickets.services.inbox.counts import CountUpToLimit

VIEW = "tickets.view_customfield"
#: What can be changed later, in the words of the history. Kind, key and what it is for stay as they are.
WORDS = {
    "name": sentence("name"),
    "description": sentence("description"),
    "department": sentence("department"),
    "minimum": sentence("smallest number"),
    "maximum": sentence("largest number"),
}
MOST_FIELDS = 200
MOST_CHOICES = 100
CHOICE_LIMIT = 100  # characters
COUNT_LIMIT = 10_000  # more values of a field are not counted for the list
MOST_ANNOUNCED = 500  # conversations; open pages of others follow with their next change
GONE = sentence("Somebody has deleted this field meanwhile.")


# --- who sees them ----------------------------------------------------------------------------------------------------
def listed_for(user: User, facts: UserFacts) -> QuerySet[CustomField, CustomField]:
    """Return the fields that the user may list: an agent those of every and of their departments."""
    if user.has_perm(VIEW) or facts.sees_all:
        return CustomField.objects.all()
    if not Agent.objects.filter(user=user).exists():
        return CustomField.objects.none()
    return custom_fields.seen_by(facts)


def value_counts(fields: QuerySet[CustomField, CustomField]) -> dict[int, int]:
    """Return how many contacts or tickets have a value, by field; at most COUNT_LIMIT + 1."""
    counted = FieldValue.objects.filter(field=OuterRef("pk")).order_by().values("pk")[: COUNT_LIMIT + 1]
    return dict(fields.values_list("pk", CountUpToLimit(counted)))


def value_count(field: CustomField, choice: str = "") -> int:
    """Return how many contacts or tickets have a value in this field, or this choice (id)."""
    values = FieldValue.objects.filter(field=field)
    return (values.filter(lookup=rules.lookup_of(choice)) if choice else values).count()


# --- adding and changing ----------------------------------------------------------------------------------------------
def save(by: User, field: CustomField | None, values: dict[str, Any]) -> CustomField:
    """Save a field, a new one when `field` is None. Values that are not given stay. Raises Refused, with the field."""
    values = dict(values)
    if "name" in values:
        values["name"] = _name(values["name"])
    with transaction.atomic():
        return _add(by, values) if field is None else _change(by, field, values)


def _name(given: str) -> str:
    name = " ".join(without_directions(clean_text(given)).split())
    if is_blank(name):
        raise Refused(sentence("Give the field a name."), field="name")
    return name


def _add(by: User, values: dict[str, Any]) -> CustomField:
    names = [_choice_name(line) for line in values.pop("choices", ()) if line.strip()]
    field = CustomField(**values)
    field.key = field.key.strip() or rules.key_from(field.name)
    if not rules.is_key(field.key):
        raise Refused(
            sentence(
                "Write a key for the API: 1 to %(most)s small letters a–z, digits and underscores, beginning with a "
                "letter.",
                most=rules.KEY_LIMIT,
            ),
            field="key",
        )
    if CustomField.objects.count() >= MOST_FIELDS:
        raise Refused(sentence("There are %(most)s fields already. Delete one first.", most=MOST_FIELDS), field="name")
    if field.kind == CustomField.Kind.CHOICE:
        if not names:
            raise Refused(sentence("Write at least one choice."), field="choices")
        _check_choices(names)
        field.choices = [{"id": _new_id(), "name": name} for name in names]
    _check(field)
    last = CustomField.objects.filter(of=field.of).aggregate(last=Max("position"))["last"]
    field.position = 0 if last is None else last + 1
    try:
        with transaction.atomic():
            field.save(force_insert=True)
    except IntegrityError:
        raise Refused(
            sentence("There is a field with the key “%(key)s” already.", key=field.key), field="key"
        ) from None
    audit_log.record(by, field, audit_log.ADDITION, sentence("Added."))
    return field


def _change(by: User, field: CustomField, values: dict[str, Any]) -> CustomField:
    stored = _locked(field)
    changed = [name for name in WORDS if name in values and getattr(stored, name) != values[name]]
    if not changed:
        return stored
    for name in changed:
        setattr(stored, name, values[name])
    _check(stored)
    stored.save(update_fields=changed)
    names = ", ".join(WORDS[name] for name in changed)
    audit_log.record(by, stored, audit_log.CHANGE, sentence("Changed %(fields_text)s.", fields_text=names))
    _announce(stored)
    return stored


def _check(field: CustomField) -> None:
    """Raise Refused for a range without numbers, and drop what the kind does not have."""
    if field.of == CustomField.Of.CONTACT:
        field.department = None
    if field.kind != CustomField.Kind.NUMBER:
        field.minimum = field.maximum = None
    for name in ("minimum", "maximum"):
        limit: Decimal | None = getattr(field, name)
        if limit is not None and rules.parse_number(limit) is None:
            raise Refused(sentence("Write a number with at most %(most)s digits.", most=rules.DIGITS), field=name)
    if field.minimum is not None and field.maximum is not None and field.minimum > field.maximum:
        raise Refused(sentence("The largest number is smaller than the smallest one."), field="maximum")


# --- choices ----------------------------------------------------------------------------------------------------------
def _choice_name(given: str) -> str:
    name = " ".join(without_directions(clean_text(given)).split())
    if is_blank(name):
        raise Refused(sentence("Give the choice a name."), field="choices")
    if len(name) > CHOICE_LIMIT:
        too_long = sentence("A choice has at most %(most)s characters. Shorten it.", most=CHOICE_LIMIT)
        raise Refused(too_long, field="choices")
    return name


def _check_choices(names: list[str]) -> None:
    if len(names) > MOST_CHOICES:
        raise Refused(sentence("At most %(most)s choices fit into a field.", most=MOST_CHOICES), field="choices")
    if twice := rules.repeated(names):
        raise Refused(sentence("The choice “%(name)s” is there twice.", name=twice), field="choices")


def _new_id() -> str:
    return get_random_string(10)


def add_choice(by: User, field: CustomField, name: str) -> None:
    """Add a choice at the end. Raises Refused."""
    name = _choice_name(name)
    with transaction.atomic():
        stored = _locked(field)
        _save_choices(by, stored, [*stored.choices, {"id": _new_id(), "name": name}])


def rename_choice(by: User, field: CustomField, choice: str, name: str) -> None:
    """Rename a choice (id); contacts and tickets that have it keep it. Raises Refused."""
    name = _choice_name(name)
    with transaction.atomic():
        stored = _locked(field)
        _index(stored, choice)
        renamed = [{**one, "name": name} if one["id"] == choice else one for one in stored.choices]
        _save_choices(by, stored, renamed)


def move_choice(by: User, field: CustomField, choice: str, step: int) -> None:
    """Move a choice (id) up (-1) or down (1). Raises Refused when it was removed."""
    with transaction.atomic():
        stored = _locked(field)
        _save_choices(by, stored, _moved(stored.choices, _index(stored, choice), step))


def remove_choice(by: User, field: CustomField, choice: str) -> int:
    """Remove a choice (id) and the values that are this choice; return how many. Raises Refused."""
    with transaction.atomic():
        stored = _locked(field)
        index = _index(stored, choice)
        name = stored.choices[index]["name"]
        shown = _conversations_with(stored)
        count, _by_model = FieldValue.objects.filter(field=stored, lookup=rules.lookup_of(choice), text=choice).delete()
        stored.choices = stored.choices[:index] + stored.choices[index + 1 :]
        stored.save(update_fields=["choices"])
        entry = sentence("Removed the choice “%(name)s”; values deleted: %(count)s.", name=name, count=count)
        audit_log.record(by, stored, audit_log.CHANGE, entry)
        _tell(shown)
    return count


def _save_choices(by: User, field: CustomField, choices: list[dict[str, str]]) -> None:
    if choices == field.choices:
        return
    _check_choices([choice["name"] for choice in choices])
    field.choices = choices
    field.save(update_fields=["choices"])
    audit_log.record(by, field, audit_log.CHANGE, sentence("Changed %(fields_text)s.", fields_text=sentence("choices")))
    _announce(field)


def _index(field: CustomField, choice: str) -> int:
    for index, one in enumerate(field.choices):
        if one["id"] == choice:
            return index
    raise Refused(sentence("Somebody has removed this choice meanwhile."), field="choices")


def _moved(rows: list[Any], index: int, step: int) -> list[Any]:
    moved = list(rows)
    target = max(0, min(len(rows) - 1, index + step))
    moved.insert(target, moved.pop(index))
    return moved


# --- order, archive, delete -------------------------------------------------------------------------------------------
def move(by: User, field: CustomField, step: int) -> None:
    """Move a field up (-1) or down (1) among those of contacts or of tickets that are not archived."""
    with transaction.atomic():
        listed = CustomField.objects.select_for_update().filter(of=field.of).order_by("pk")
        rows = sorted(listed, key=lambda one: (one.archived_at is not None, one.position, one.pk))
        index = next((index for index, one in enumerate(rows) if one.pk == field.pk), None)
        if index is None:
            raise Refused(GONE)
        for position, one in enumerate(_moved(rows, index, step)):
            if one.position != position:
                CustomField.objects.filter(pk=one.pk).update(position=position)
        audit_log.record(
            by, field, audit_log.CHANGE, sentence("Changed %(fields_text)s.", fields_text=sentence("order"))
        )


def archive(by: User, field: CustomField) -> None:
    """Take a field out of sight; its values are kept."""
    with transaction.atomic():
        stored = _locked(field)
        if stored.archived_at is None:
            stored.archived_at = timezone.now()
            stored.save(update_fields=["archived_at"])
            audit_log.record(by, stored, audit_log.CHANGE, sentence("Archived; its values are kept."))
            _announce(stored)


def restore(by: User, field: CustomField) -> None:
    """Show an archived field again, with its values."""
    with transaction.atomic():
        stored = _locked(field)
        if stored.archived_at is not None:
            stored.archived_at = None
            stored.save(update_fields=["archived_at"])
            audit_log.record(by, stored, audit_log.CHANGE, sentence("Restored from the archive."))
            _announce(stored)


def delete(by: User, field: CustomField) -> int:
    """Delete a field with its values; return how many values."""
    with transaction.atomic():
        try:
            stored = _locked(field)
        except Refused:
            return 0
        shown, count = _conversations_with(stored), value_count(stored)
        entry = sentence("Deleted; values deleted with it: %(count)s.", count=count)
        audit_log.record(by, stored, audit_log.DELETION, entry)
        stored.delete()
        _tell(shown)
    return count


def _locked(field: CustomField) -> CustomField:
    """Lock a field: nobody writes a value into it meanwhile. Raises Refused when it was deleted."""
    stored = CustomField.objects.select_for_update().filter(pk=field.pk).first()
    if stored is None:
        raise Refused(GONE, field="name")
    return stored


def _conversations_with(field: CustomField) -> list[Conversation]:
    """Return the newest conversations that show a value of this field."""
    values = FieldValue.objects.filter(field=field)
    shown = (
        Conversation.objects.filter(contact__in=values.values("contact"))
        if field.of == CustomField.Of.CONTACT
        else Conversation.objects.filter(current_ticket__in=values.values("ticket"))
    )
    return list(shown.order_by(F("last_message_at").desc(nulls_last=True), "-pk")[:MOST_ANNOUNCED])


def _announce(field: CustomField) -> None:
    _tell(_conversations_with(field))


def _tell(conversations: Collection[Conversation]) -> None:
    with publish.batched():
        for conversation in conversations:
            messages.announce(conversation)

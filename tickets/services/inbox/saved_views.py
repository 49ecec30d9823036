"""Views that people save: who sees and changes which; adding, changing, ordering, deleting and counting them."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from django.core.cache import cache
from django.db import transaction
from django.db.models import F, Max, Q, QuerySet
from django.utils import timezone

from channels_im.models import Channel
from desk import audit_log
from desk.errors import Refused
from desk.models import Department, User
from desk.sentences import sentence
from tickets.models import SavedView
from tickets.rules.filters import parse_leniently
from tickets.rules.sending import Refusal, clean_text
from tickets.services.conversation.access import LEADS, UserFacts
from tickets.services.conversation.prepared_access import ModelsForFacts
from tickets.services.inbox import counts
from tickets.services.inbox.listing import ListQuery

SHARE = "tickets.share_savedview"
FIELDS = ("name", "base", "filter", "order")
#: What was changed, in the words of the history.
WORDS = {
    "name": sentence("name"),
    "base": sentence("fixed view"),
    "filter": sentence("filter"),
    "order": sentence("order"),
    "audience": sentence("who sees it"),
}
NAME_LIMIT = 60  # characters
MOST = 30  # of one person, of one department, and for everybody
COUNTS_LAST = 30  # seconds
NOT_ALLOWED = "not_allowed"  # the code of a refusal for lack of a right
NO_AUDIENCE = sentence("Choose who sees this view: you, one of your departments, or everybody.")
GONE = sentence("Somebody has deleted this view meanwhile.")


@dataclass(frozen=True)
class Audience:
    """Whose a view is: one person's, a department's, or everybody's (both are None). Ids."""

    owner_id: int | None = None
    department_id: int | None = None

    @classmethod
    def of(cls, view: SavedView) -> "Audience":
        """Return whose this view is."""
        return cls(view.owner_id, view.department_id)

    def views(self) -> QuerySet[SavedView, SavedView]:
        """Return the views of this audience, in their order."""
        same = SavedView.objects.filter(Q(owner=self.owner_id), Q(department=self.department_id))
        return same.order_by("position", "pk")


EVERYBODY = Audience()


def seen_by(user: User, facts: UserFacts, *, to_change: bool = False) -> QuerySet[SavedView, SavedView]:
    """Return the user's own views, those of their departments and channels, and everybody's, in the order of the menu.

    A user who sees all conversations gets those of every department, with `to_change` also one who may change them.
    Which conversations a view shows is decided for each reader: a view never shows more than its reader may see.
    """
    return _seen_by(facts, user.pk, all_shared=to_change and user.has_perm(SHARE))


def listed(facts: UserFacts) -> list[SavedView]:
    """Return the views of `seen_by` of the user with these facts."""
    return _listed.rows(facts)


def _seen_by(
    facts: UserFacts, user_id: int | None = None, *, all_shared: bool = False
) -> QuerySet[SavedView, SavedView]:
    shared = Q(owner=None)
    if not facts.sees_all and not all_shared:
        of_channels = Channel.objects.filter(pk__in=facts.channel_ids).values("department")
        shared &= Q(department=None) | Q(department_id__in=facts.department_ids) | Q(department_id__in=of_channels)
    rows = SavedView.objects.filter(Q(owner=user_id or facts.user_id) | shared).select_related("department")
    return rows.order_by(F("owner").asc(nulls_last=True), F("department__name").asc(nulls_last=True), "position", "pk")


_listed = ModelsForFacts(_seen_by)


def may_change(user: User, audience: Audience) -> bool:
    """Return whether the user may add, change and delete views of this audience."""
    if audience.owner_id is not None:
        return audience.owner_id == user.pk
    if user.has_perm(SHARE):
        return True
    return audience.department_id is not None and audience.department_id in {one.pk for one in _led_by(user)}


def shared_by(user: User) -> tuple[list[Department], bool]:
    """Return the departments with which the user may share views, and whether they may with everybody."""
    if user.has_perm(SHARE):
        return list(Department.objects.order_by("name")), True
    return _led_by(user), False


def _led_by(user: User) -> list[Department]:
    if not user.has_perm(LEADS):
        return []
    return list(Department.objects.filter(agents__user=user).order_by("name"))


def save(
    by: User,
    view: SavedView | None,
    values: dict[str, Any],
    audience: Audience | None = None,
    version: int | None = None,
) -> SavedView:
    """Save a view, a new one when `view` is None, and return it. Values and an audience that are not given stay.

    `version` is the one that was shown: when somebody changed the view since, nothing is saved. Raises Refused, with
    the field.
    """
    values = dict(values)
    if view is None or "name" in values:
        values["name"] = _clean_name(values.get("name", ""))
    with transaction.atomic():
        if view is None:
            return _add(by, values, audience or Audience(owner_id=by.pk))
        return _change(by, view, values, audience, version)


def delete(by: User, view: SavedView) -> None:
    """Delete a view. Raises Refused when the user may not."""
    with transaction.atomic():
        stored = SavedView.objects.select_for_update().filter(pk=view.pk).first()
        if stored is None:
            return
        _check_right(by, Audience.of(stored))
        _record(by, stored, audit_log.DELETION, sentence("Deleted."))
        stored.delete()


def move(by: User, view: SavedView, step: int = 0, to: int | None = None) -> None:
    """Move a view by `step` among those of its audience, or to the place `to`, from 0. Raises Refused.

    Up is -1, down is 1; it stays where it is at the ends.
    """
    audience = Audience.of(view)
    _check_right(by, audience)
    with transaction.atomic():
        # Sorted here: who has waited for the lock gets the rows as they are now, in the order of before.
        locked = audience.views().select_for_update().order_by("pk")
        ordered = sorted(locked, key=lambda one: (one.position, one.pk))
        index = next((index for index, one in enumerate(ordered) if one.pk == view.pk), None)
        if index is None:
            raise Refused(GONE)
        place = index + step if to is None else to
        ordered.insert(max(0, place), ordered.pop(index))
        for position, one in enumerate(ordered):
            if one.position != position:
                SavedView.objects.filter(pk=one.pk).update(position=position)


def replace_label(old: int, new: int) -> None:
    """Let all views that filter by the label `old` filter by `new`. Call it inside a transaction."""
    for view in SavedView.objects.select_for_update().filter(filter__has_key="label").order_by("pk"):
        narrowed = parse_leniently(view.filter)
        if str(old) not in narrowed.get("label"):
            continue
        kept = narrowed.without("label", str(old)).get("label")
        view.filter = narrowed.having("label", *kept, str(new)).to_json()
        view.version += 1
        view.save(update_fields=["filter", "version"])


def sizes(user: User, facts: UserFacts, views: Iterable[SavedView]) -> dict[int, counts.Size]:
    """Return how many conversations each view shows to this user, by id of the view: one query for all of them.

    Counts are kept for COUNTS_LAST seconds.
    """
    zone, now = timezone.get_current_timezone(), timezone.now()
    key = f"saved-view-counts:{user.pk}:{hash(facts)}:{zone}"
    kept: dict[int, tuple[int, float, counts.Size]] = cache.get(key) or {}
    listed = {view.pk: view for view in views}
    oldest = now.timestamp() - COUNTS_LAST
    fresh = {
        pk: kept[pk]
        for pk, view in listed.items()
        if pk in kept and kept[pk][0] == view.version and kept[pk][1] > oldest
    }
    if missing := {pk: ListQuery.of_saved(view) for pk, view in listed.items() if pk not in fresh}:
        for pk, size in counts.sizes(user, facts, missing, now).items():
            fresh[pk] = (listed[pk].version, now.timestamp(), size)
        cache.set(key, fresh, COUNTS_LAST)
    return {pk: size for pk, (_version, _at, size) in fresh.items()}


def _add(by: User, values: dict[str, Any], audience: Audience) -> SavedView:
    _check_right(by, audience)
    view = SavedView(
        **{name: values[name] for name in FIELDS if name in values},
        owner_id=audience.owner_id,
        department_id=audience.department_id,
        position=_end_of(audience),
    )
    view.save(force_insert=True)
    _record(by, view, audit_log.ADDITION, sentence("Added."))
    return view


def _change(
    by: User, view: SavedView, values: dict[str, Any], audience: Audience | None, version: int | None
) -> SavedView:
    stored = SavedView.objects.select_for_update().filter(pk=view.pk).first()
    if stored is None:
        raise Refused(GONE, field="name")
    before = Audience.of(stored)
    _check_right(by, before)
    changed = [name for name in FIELDS if name in values and getattr(stored, name) != values[name]]
    moves = audience is not None and audience != before
    if not changed and not moves:
        return stored
    if version is not None and version != stored.version:
        raise Refused(
            sentence("Somebody has changed this view meanwhile. Look at it before you change it."),
            Refusal.CHANGED_MEANWHILE,
        )
    for name in changed:
        setattr(stored, name, values[name])
    if audience is not None and moves:
        _check_right(by, audience)
        stored.position = _end_of(audience)
        stored.owner_id, stored.department_id = audience.owner_id, audience.department_id
    stored.version += 1
    stored.save()
    names = ", ".join(WORDS[name] for name in [*changed, *(["audience"] if moves else [])])
    _record(by, stored, audit_log.CHANGE, sentence("Changed %(fields_text)s.", fields_text=names), before)
    return stored


def _clean_name(name: str) -> str:
    cleaned = " ".join(clean_text(name).split())
    if not cleaned:
        raise Refused(sentence("Give the view a name."), field="name")
    if len(cleaned) > NAME_LIMIT:
        raise Refused(
            sentence("The name is longer than %(most)s characters. Shorten it.", most=NAME_LIMIT), field="name"
        )
    return cleaned


def _end_of(audience: Audience) -> int:
    """Return the position after the last view of this audience. Raises Refused when there are too many."""
    if audience.views().count() >= MOST:
        raise Refused(sentence("There are %(most)s views here already. Delete one first.", most=MOST), field="name")
    last = audience.views().aggregate(last=Max("position"))["last"]
    return 0 if last is None else last + 1


def _check_right(by: User, audience: Audience) -> None:
    if not may_change(by, audience):
        raise Refused(
            sentence("You may not change the views of others. Save it as your own view instead."), NOT_ALLOWED
        )


def _record(by: User, view: SavedView, action: str, words: str, before: Audience | None = None) -> None:
    """Write shared views into the history; a person's own are their own matter."""
    if view.owner_id is None or (before is not None and before.owner_id is None):
        audit_log.record(by, view, action, words)

"""Find out who is notified of what happened, and give each of their browsers and their e-mail a row that waits.

A notice is deleted in the transaction that writes these rows: two workers never take the same one, and of a worker
that dies nothing is lost.
"""

import logging
from datetime import datetime, timedelta

from django.db import DatabaseError, transaction
from django.utils import timezone

from desk import loops
from tickets.models import (
    Conversation,
    MailReminder,
    Notice,
    NotificationChoice,
    NotificationSettings,
    PushDelivery,
    PushSubscription,
)
from tickets.services.conversation import access, notices
from tickets.services.notifications import kinds
from tickets.services.notifications.kinds import Kind

logger = logging.getLogger(__name__)

AT_A_TIME = 100
#: Older news is told by e-mail alone: the worker was off.
TOO_OLD_TO_PUSH = timedelta(hours=1)
#: What happens within so long comes in one e-mail.
GATHER = timedelta(minutes=1)
By = NotificationChoice.By


def is_due() -> bool:
    """Return whether there is a notice."""
    return Notice.objects.exists()


def take_notices() -> int:
    """Take the notices that wait; return how many. One that fails is dropped, and stops no other."""
    count = 0
    for notice in list(Notice.objects.order_by("pk")[:AT_A_TIME]):
        try:
            with transaction.atomic():
                if Notice.objects.filter(pk=notice.pk).delete()[0]:
                    _take(notice)
                    count += 1
        except DatabaseError:
            raise
        except Exception:
            logger.exception("Notice %s could not be taken", notice.pk)
            Notice.objects.filter(pk=notice.pk).delete()
        if not loops.may_go_on(0, float("inf")):
            break
    return count


def _take(notice: Notice) -> None:
    kind = kinds.get(notice.kind)
    conversation = Conversation.objects.filter(pk=notice.conversation_id).first()
    if kind is None or conversation is None:
        return
    if notice.to_user_id is not None:
        concerned = {notice.to_user_id}
    else:
        concerned = kind.candidates(conversation) if kind.candidates else set()
    concerned.discard(notice.by_user_id or 0)
    by: dict[str, set[int]] = {By.PUSH: set(), By.MAIL: set()}
    for user_id, way in _choices(kind, concerned):
        by[way].add(user_id)
    seeing = who_may_see(by[By.PUSH] | by[By.MAIL], conversation)
    if timezone.now() - notice.created_at < TOO_OLD_TO_PUSH:
        _push(notice, by[By.PUSH] & seeing)
    for user_id in sorted(by[By.MAIL] & seeing):
        remind(kind, conversation, user_id, notice)
    mine = kinds.get(notices.MINE)
    if kind.name == notices.ASSIGNED and mine is not None:  # the customer may wait already
        wanting = {user_id for user_id, way in _choices(mine, concerned) if way == By.MAIL}
        for user_id in sorted(who_may_see(wanting, conversation)):
            remind(mine, conversation, user_id, notice)


def _choices(kind: Kind, user_ids: set[int]) -> list[tuple[int, str]]:
    """Return who of these users wants to be told of this kind, each with a way."""
    chosen = NotificationChoice.objects.filter(kind=kind.name, user__in=user_ids, user__is_active=True)
    return list(chosen.values_list("user_id", "by"))


def who_may_see(user_ids: set[int], conversation: Conversation) -> set[int]:
    """Return which of these users may see the conversation now. One query."""
    about = access.ids_of(conversation)
    return {pk for pk, facts in access.facts_for_users(user_ids).items() if access.visible(facts, about)}


def _push(notice: Notice, user_ids: set[int]) -> None:
    """Write a row for each browser. What waits there about the same conversation becomes the newer one."""
    browsers = set(PushSubscription.objects.filter(user__in=user_ids).values_list("pk", flat=True))
    if not browsers:
        return
    waiting = PushDelivery.objects.filter(
        subscription__in=browsers,
        kind=notice.kind,
        conversation_id=notice.conversation_id,
        state=PushDelivery.State.PENDING,
    )
    same = dict(waiting.values_list("pk", "subscription_id"))
    renewed = PushDelivery.objects.filter(pk__in=same, state=PushDelivery.State.PENDING)
    newer = {name: getattr(notice, name) for name in ("message_id", "by_user_id", "created_at")}
    for pk in same:
        if renewed.filter(pk=pk).update(**newer):
            browsers.discard(same[pk])
    PushDelivery.objects.bulk_create(
        PushDelivery(
            subscription_id=pk,
            kind=notice.kind,
            conversation_id=notice.conversation_id,
            message_id=notice.message_id,
            by_user_id=notice.by_user_id,
            created_at=notice.created_at,
        )
        for pk in sorted(browsers)
    )


def remind(kind: Kind, conversation: Conversation, user_id: int, notice: Notice) -> None:
    """Plan the e-mail to a person, once for each time that the customer waits."""
    now = timezone.now()
    if kind.waits:
        since = conversation.waiting_since
        if since is None:
            return
        minutes = NotificationSettings.objects.filter(user=user_id).values_list("mail_minutes", flat=True).first()
        due_at = since + timedelta(minutes=minutes or 0)
    else:
        since, due_at = notice.created_at, now + GATHER
    about = {"message_id": notice.message_id, "by_user_id": notice.by_user_id}
    row, is_new = MailReminder.objects.get_or_create(
        user_id=user_id,
        kind=kind.name,
        conversation_id=conversation.pk,
        defaults={"since": since, "due_at": due_at, **about},
    )
    if is_new or (kind.waits and _is_same_waiting(row, since)):
        return
    # Of one that a worker is sending, `due_at` is the end of its claim: what is written here comes in another e-mail.
    row.since, row.due_at = since, due_at if kind.waits or row.due_at is None else min(row.due_at, due_at)
    row.message_id, row.by_user_id = notice.message_id, notice.by_user_id
    row.save(update_fields=["since", "due_at", "message_id", "by_user_id"])


def _is_same_waiting(row: MailReminder, since: datetime) -> bool:
    """Return whether there is, or was, an e-mail about this waiting: who waits anew began after the last one."""
    if row.due_at is not None:
        return row.since == since
    return row.sent_at is not None and (since <= row.sent_at or since == row.since)

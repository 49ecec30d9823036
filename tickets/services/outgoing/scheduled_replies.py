"""Schedule a reply, change it, take it back, send it now or cancel it. What happens at its time: scheduled_sending.

Whoever acts holds the conversation's lock and looks at the row again: of all who do something at once, one does it.
"""

import uuid
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from django.db import transaction
from django.db.models import Q
from django.utils import timezone

from desk.models import User
from desk.sentences import sentence
from desk.storage import undone_on_failure
from tickets.models import Conversation, EventType, Message, ScheduledReply, ScheduledReplyFile
from tickets.rules import snoozing
from tickets.rules.sending import ALLOWED, clean_text
from tickets.rules.sent_as import StoredForm
from tickets.services.conversation import access, assigning, messages
from tickets.services.conversation.snoozing import add_line
from tickets.services.outgoing import outgoing_files, replies, scheduled_files, scheduled_specials
from tickets.services.outgoing.outgoing_files import NamedFile
from tickets.services.outgoing.replies import ReplyError, SpecialPart, not_possible
from tickets.services.webhooks import events

State = ScheduledReply.State

MOST_IN_CONVERSATION = 20
CANCELLED_LINE = "schedule_cancelled"
GONE = sentence("This reply was sent or cancelled meanwhile.")


@dataclass(frozen=True)
class Changes:
    """What to change of a scheduled reply; None leaves it as it is."""

    text: str | None = None
    send_at: datetime | None = None
    cancel_if_customer_writes: bool | None = None


def is_known(conversation: Conversation, client_key: str | None) -> bool:
    """Return whether a reply was scheduled with this client key in this conversation."""
    key = replies.stored_key(client_key)
    return key is not None and ScheduledReply.objects.filter(conversation=conversation, client_key=key).exists()


def open_in(conversation: Conversation) -> list[ScheduledReply]:
    """Return what the thread shows: replies that are scheduled, or wait for an agent, by their time."""
    if not conversation.has_scheduled:
        return []
    rows = ScheduledReply.objects.filter(conversation=conversation).exclude(state=State.SENT)
    return list(rows.select_related("author", "taken_by").prefetch_related("files"))


def schedule(
    user: User,
    conversation: Conversation,
    send_at: datetime,
    *,
    text: str = "",
    files: Sequence[NamedFile] = (),
    reply_to_mid: str = "",
    client_key: str | None = None,
    cancel_if_customer_writes: bool = False,
    replaces: int | None = None,
    special: SpecialPart | None = None,
) -> ScheduledReply:
    """Store a reply that is sent at `send_at`. Text, files, `client_key`, `special` are as in `replies.queue_reply`.

    `replaces` is the id of a scheduled reply that was taken back: this one takes its place. Raises ReplyError, or
    TooLateError when the messaging window will be closed; nothing is stored then.
    """
    text, key = clean_text(text), replies.stored_key(client_key)
    form = special.form if special else None
    if special is not None:
        text, files = special.text, ()
    if key and (known := _known(conversation, key)):
        return known
    checked = _check(user, conversation, send_at, text, files, form=form)
    replies.check_reply_to(conversation, reply_to_mid)
    with undone_on_failure():
        pairs = zip(files, checked, strict=True)
        stored = [outgoing_files.store(ScheduledReplyFile(), file, result) for file, result in pairs]
        if special is not None and special.picture is not None:
            stored = [scheduled_files.copy_of(special.picture)]
        with transaction.atomic():
            messages.lock(conversation)
            if key and (known := _known(conversation, key)):
                outgoing_files.delete_unused(stored)
                return known
            replies.require_not_erased(user, conversation, form)
            scheduled_specials.require_window(conversation, send_at, form)
            others = ScheduledReply.objects.filter(conversation=conversation).exclude(state=State.SENT)
            if others.exclude(pk=replaces or 0).count() >= MOST_IN_CONVERSATION:
                raise not_possible(
                    sentence("This conversation has %(most)s scheduled replies already.", most=MOST_IN_CONVERSATION)
                )
            row = ScheduledReply.objects.create(
                conversation=conversation,
                author=user,
                text=text,
                sent_as=form,
                card=special.card if special else None,
                reply_to_mid=reply_to_mid,
                send_at=send_at,
                due_at=send_at,
                cancel_if_customer_writes=cancel_if_customer_writes,
                client_key=key or uuid.uuid4().hex,
            )
            for file in stored:
                file.reply = row
            ScheduledReplyFile.objects.bulk_create(stored)
            if replaces is not None:
                discard_replaced(user, conversation, replaces)
            refresh(conversation)
            publish(EventType.SCHEDULED_REPLY_CREATED, conversation, row, user)
            messages.announce(conversation)
    return row


def change(user: User, row: ScheduledReply, changes: Changes) -> ScheduledReply:
    """Change a scheduled reply and schedule it again, also one that was not sent; return it. Raises ReplyError.

    Whoever changes the text becomes its author, and so does whoever schedules one whose author was deactivated or
    deleted: nothing is sent in the name of somebody who did not write it or has left. A sticker or template has no text
    to change.
    """
    if row.is_special and changes.text is not None:
        raise not_possible(scheduled_specials.NO_TEXT)
    text = row.text if changes.text is None else clean_text(changes.text)
    send_at = changes.send_at or row.send_at
    _check(user, row.conversation, send_at, text, (), has_files=row.files.exists(), form=row.sent_as)
    with transaction.atomic():
        conversation, fresh = lock(row)
        send_at = changes.send_at or fresh.send_at  # a colleague may have changed the rest meanwhile
        scheduled_specials.require_window(conversation, send_at, fresh.sent_as)
        if changes.text is not None and text != fresh.text:
            fresh.author, fresh.text, fresh.written_at = user, text, timezone.now()
        if fresh.author is None or not fresh.author.is_active:
            fresh.author = user
        if changes.cancel_if_customer_writes is not None:
            fresh.cancel_if_customer_writes = changes.cancel_if_customer_writes
        fresh.send_at = fresh.due_at = send_at
        fresh.state, fresh.reason, fresh.taken_by, fresh.settled_at = State.SCHEDULED, "", None, None
        fresh.save()
        publish(EventType.SCHEDULED_REPLY_UPDATED, conversation, fresh, user)
        messages.announce(conversation)
    return fresh


def take_back(user: User, row: ScheduledReply) -> ScheduledReply:
    """Stop a reply from being sent, so that `user` edits it; return it. Raises ReplyError when it was sent meanwhile.

    It stays, with its files, until the edited reply replaces it or somebody deletes it.
    """
    if row.is_special:
        raise not_possible(scheduled_specials.NO_TEXT)
    with transaction.atomic():
        conversation, fresh = lock(row)
        _require_work(user, conversation)
        fresh.state, fresh.due_at, fresh.taken_by, fresh.reason = State.EDITING, None, user, ""
        fresh.save(update_fields=["state", "due_at", "taken_by", "reason"])
        publish(EventType.SCHEDULED_REPLY_UPDATED, conversation, fresh, user)
        messages.announce(conversation)
    return fresh


def cancel(user: User, row: ScheduledReply) -> None:
    """Delete a scheduled reply. Raises ReplyError when it was sent meanwhile. The thread says who cancelled it."""
    with transaction.atomic():
        conversation, fresh = lock(row)
        _require_work(user, conversation)
        if fresh.is_scheduled:
            words = sentence("%(user)s cancelled a scheduled reply", user=user)
            add_line(conversation, CANCELLED_LINE, words, user)
        discard(user, conversation, fresh)


def discard_replaced(user: User, conversation: Conversation, pk: int | None, client_key: str | None = None) -> None:
    """Delete a reply that was taken back, because its edited text was sent. One that is scheduled again stays.

    Delete also one with this client key: the answer to its request was lost, and the agent has sent it at once.
    """
    same = Q(pk=pk or 0) & ~Q(state=State.SCHEDULED)
    if key := replies.stored_key(client_key):
        same |= Q(client_key=key)
    with transaction.atomic():
        messages.lock(conversation)
        for row in ScheduledReply.objects.filter(same, conversation=conversation).exclude(state=State.SENT):
            discard(user, conversation, row)


def discard(user: User, conversation: Conversation, row: ScheduledReply) -> None:
    """Delete a row of a locked conversation."""
    publish(EventType.SCHEDULED_REPLY_DELETED, conversation, row, user)
    row.delete()
    refresh(conversation)
    messages.announce(conversation)


def send_now(user: User, row: ScheduledReply) -> list[Message]:
    """Put a scheduled reply into the outbox as a reply of `user`, who decided it. Raises ReplyError."""
    verdict = replies.may_send(user, row.conversation, form=row.sent_as)
    if not verdict.allowed:
        raise ReplyError(verdict)
    with transaction.atomic():
        conversation, fresh = lock(row)
        return queue(conversation, fresh, user, by=user, written_at=None)


# --- Shared with scheduled_sending ------------------------------------------------------------------------------------
def lock(row: ScheduledReply) -> tuple[Conversation, ScheduledReply]:
    """Lock the conversation and return it with the row as it is now. Raises ReplyError when it was sent or deleted."""
    conversation = Conversation.objects.select_related("contact", "channel").get(pk=row.conversation_id)
    messages.lock(conversation)
    fresh = ScheduledReply.objects.filter(pk=row.pk).exclude(state=State.SENT).select_related("author").first()
    if fresh is None:
        raise not_possible(GONE)
    return conversation, fresh


def queue(
    conversation: Conversation, row: ScheduledReply, author: User, *, by: User | None, written_at: datetime | None
) -> list[Message]:
    """Make an ordinary reply of a row of a locked conversation, in one transaction; return its messages.

    The files become those of the messages. The rules have been asked. `by` is who did it, None for Desk. Raises
    ReplyError when it is a template that can no longer be sent.
    """
    files = list(row.files.all())
    queued = replies.known_parts(conversation, row.client_key)  # sent from the composer with the same key
    if not queued:
        attachments = [scheduled_files.attachment_of(file) for file in files]
        special = scheduled_specials.part_of(conversation, row)
        parts = [special.part(attachments)] if special else replies.parts_of(row.text, attachments)
        mid, key = row.reply_to_mid, row.client_key
        queued = replies.add_parts(author, conversation, parts, mid, key, ALLOWED, written_at=written_at)
        assigning.after_reply(author, conversation)
        ScheduledReplyFile.objects.filter(reply=row).update(file="")  # the messages have the content now
    ScheduledReplyFile.objects.filter(reply=row).delete()
    settle(row, State.SENT, text="", sent_as=None, card=None, reply_to_mid="")
    refresh(conversation)
    ids = [message.pk for message in queued]
    publish(EventType.SCHEDULED_REPLY_UPDATED, conversation, row, by, messages=ids)
    return queued


def settle(row: ScheduledReply, state: State, **fields: Any) -> None:
    """Save that a row is not sent by itself any more, and when that was decided."""
    values = {"state": state, "due_at": None, "settled_at": timezone.now(), **fields}
    for name, value in values.items():
        setattr(row, name, value)
    row.save(update_fields=list(values))


def refresh(conversation: Conversation) -> None:
    """Update `Conversation.has_scheduled`; the caller holds the conversation's lock."""
    has_scheduled = ScheduledReply.objects.filter(conversation=conversation).exclude(state=State.SENT).exists()
    if conversation.has_scheduled != has_scheduled:
        conversation.has_scheduled = has_scheduled
        conversation.save(update_fields=["has_scheduled"])


def publish(event: EventType, conversation: Conversation, row: ScheduledReply, by: User | None, **facts: Any) -> None:
    """Publish a webhook event about a scheduled reply, without its text."""
    about = {
        "id": row.pk,
        "state": str(row.state),
        "send_at": row.send_at.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z"),
        "author": row.author.username if row.author else None,
        "reason": row.reason or None,
        **facts,
    }
    events.publish(event, conversation, by=by, scheduled_reply=about)


def marks(conversations: Collection[Conversation]) -> dict[int, tuple[str, datetime]]:
    """Return what the list shows of conversations with scheduled replies, by id: (state, when).

    One that was not sent comes before one that is scheduled. No query when there are none.
    """
    ids = [row.pk for row in conversations if row.has_scheduled]
    if not ids:
        return {}
    rows = ScheduledReply.objects.filter(conversation__in=ids).exclude(state=State.SENT).order_by("-send_at", "-pk")
    found: dict[int, tuple[str, datetime]] = {}
    for pk, state, send_at in rows.values_list("conversation_id", "state", "send_at"):
        if state == State.NOT_SENT or found.get(pk, ("",))[0] != State.NOT_SENT:
            found[pk] = state, send_at
    return found


# --- The rules --------------------------------------------------------------------------------------------------------
def _check(
    user: User,
    conversation: Conversation,
    send_at: datetime,
    text: str,
    files: Sequence[NamedFile],
    *,
    has_files: bool = False,
    form: StoredForm | None = None,
) -> list[Any]:
    """Raise ReplyError unless this may be sent now and at `send_at`; return what is known of the files."""
    if not snoozing.is_possible(send_at, timezone.now()):
        raise not_possible(sentence("Choose a time that is still to come."))
    has_no_text = form is not None or (has_files and not text)
    verdict, checked = replies.check_reply(user, conversation.pk, None if has_no_text else text, files, form=form)
    if not verdict.allowed:
        raise ReplyError(verdict)
    scheduled_specials.require_window(Conversation.objects.get(pk=conversation.pk), send_at, form)
    return list(checked)


def _require_work(user: User, conversation: Conversation) -> None:
    if not access.may_work_in(access.facts_for(user), conversation):
        raise not_possible(access.READ_ONLY)


def _known(conversation: Conversation, key: str) -> ScheduledReply | None:
    known = ScheduledReply.objects.filter(conversation=conversation, client_key=key).first()
    if known is None and replies.known_parts(conversation, key):
        raise not_possible(sentence("Your first attempt was sent at once. It was not scheduled."))
    return known

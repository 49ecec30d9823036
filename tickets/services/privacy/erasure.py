"""Erasing a person: what they said and sent, who they are, and what was written about them; a receipt stays.

The contact, their conversations and tickets stay as empty shells with numbers and times; mids stay, so that Meta's late
repetitions are known and not taken in once more. When the person writes again they are a new contact.

A block stays at Meta: whoever was kept away is not let in again by asking to be erased. Desk forgets whom it would have
to name to take the block back, so the receipt says that it is there.
"""

import logging
import secrets
from collections import Counter
from typing import Any

from django.contrib.admin.models import LogEntry
from django.contrib.contenttypes.models import ContentType
from django.core.files.storage import default_storage
from django.db import transaction
from django.db.models import Count, Q, QuerySet, Sum
from django.utils import timezone

from channels_im.models import Page
from channels_im.services.journal import redaction
from desk import audit_log
from desk.errors import Refused
from desk.models import User
from desk.queue import enqueue
from tickets.models import (
    Attachment,
    Contact,
    Conversation,
    Draft,
    Erasure,
    Message,
    MessageChange,
    Moderation,
    PageReaction,
    SenderAction,
    Ticket,
    Viewer,
)
from tickets.services.conversation import messages as message_service
from tickets.services.page_actions import moderation
from tickets.services.webhooks import events

logger = logging.getLogger(__name__)

TASK = "tickets.tasks.delete_erased_files"
PERMISSION = "tickets.erase_contact"
SEES_RECEIPTS = "tickets.view_erasure"
PREVIEW = "Their data was erased"
KEYS_AT_ONCE = 500
State = Message.State
NEVER_SENT = (State.QUEUED, State.HELD, State.FAILED)

BUSY = "Messages from this customer are arriving at this moment. Nothing was erased. Try again in a few seconds."
SENDING = "A reply to this customer is being sent at this moment. Nothing was erased. Try again in a few seconds."
NOT_ALLOWED = "Only an administrator with the permission “Can erase a person” can do this."
TELLING = (
    "A block of this customer is being sent to Facebook at this moment. Nothing was erased. Try again in a minute."
)


def may_erase(user: Any) -> bool:
    """Erasing is for administrators with the permission of its own."""
    return bool(user.is_active and user.is_staff and user.has_perm(PERMISSION))


def may_see_receipts(user: Any) -> bool:
    """Receipts are for administrators who may erase, or have the permission to view them."""
    return may_erase(user) or bool(user.is_active and user.is_staff and user.has_perm(SEES_RECEIPTS))


def counts_of(contact: Contact) -> dict[str, int]:
    """How much there is of a person: conversations, tickets, messages, notes, files, bytes, drafts."""
    messages = Message.objects.filter(conversation__contact=contact)
    kinds = dict(messages.order_by().values_list("kind").annotate(Count("pk")))
    files = _attachments(contact).exclude(file="").aggregate(count=Count("pk"), bytes=Sum("size"))
    return {
        "conversations": Conversation.objects.filter(contact=contact).count(),
        "tickets": Ticket.objects.filter(conversation__contact=contact).count(),
        "messages": kinds.get(Message.Kind.MESSAGE, 0),
        "notes": kinds.get(Message.Kind.NOTE, 0),
        "files": files["count"] + bool(contact.picture),
        "bytes": files["bytes"] or 0,
        "drafts": Draft.objects.filter(conversation__contact=contact).count(),
    }


def erase(user: User, contact: Contact) -> Erasure:
    """Erase the person and return the receipt; of one who was erased already the receipt there is. Raises Refused.

    All of the database in one transaction; the files are deleted after it, by the worker, from the list in the receipt.
    """
    if not may_erase(user):
        raise Refused(NOT_ALLOWED)
    found = redaction.search(contact.page.page_id, contact.psid)
    try:
        with transaction.atomic():
            person = _lock(contact)
            if person.erased_at is not None:
                return _receipt_of(person)
            return _erase(user, person, found)
    except redaction.DeliveryBusyError:
        raise Refused(BUSY) from None


def _receipt_of(person: Contact) -> Erasure:
    receipt = Erasure.objects.filter(contact=person).first()
    if receipt is None:
        raise Refused("This customer was erased already.")
    return receipt


def _lock(contact: Contact) -> Contact:
    """Lock the conversations, then the person, as whoever blocks them does; then what came between the two."""
    conversations = Conversation.objects.select_for_update().filter(contact=contact).order_by("pk")
    list(conversations)
    person = Contact.objects.select_for_update(of=("self",)).select_related("page").get(pk=contact.pk)
    list(conversations)
    return person


def _erase(user: User, person: Contact, found: redaction.SearchResult) -> Erasure:
    messages = Message.objects.filter(conversation__contact=person)
    if messages.filter(state=State.SENDING).exists():
        raise Refused(SENDING)
    told = moderation.lock(person)
    if told is not None and told.is_under_way:
        raise Refused(TELLING)
    counts = Counter(counts_of(person))
    redacted = redaction.redact(found)
    counts["deliveries"], counts["events"] = redacted.deliveries, redacted.events
    files = [name for name in _attachments(person).values_list("file", flat=True) if name]
    files += [person.picture.name] if person.picture else []
    receipt = Erasure.objects.create(
        confirmation_code=secrets.token_hex(10),
        page=person.page,
        person=Erasure.fingerprint(person.page.page_id, person.psid),
        contact=person,
        erased_by=user,
        counts=counts,
        meta_blocks=moderation.is_blocked_at_meta(person),
        files_left=files,
    )
    events.forget(list(Conversation.objects.filter(contact=person).values_list("pk", flat=True)))
    _erase_messages(person, messages, redacted.keys)
    _erase_contact(person)
    _erase_history(person)
    _keep_shells(user, person, receipt)
    audit_log.record(user, person, audit_log.DELETION, f"Erased. Receipt {receipt.confirmation_code}.")
    enqueue(TASK)
    return receipt


def _attachments(person: Contact) -> QuerySet[Attachment, Attachment]:
    return Attachment.objects.filter(message__conversation__contact=person)


def _erase_messages(person: Contact, messages: QuerySet[Message, Message], keys: set[str]) -> None:
    changes = MessageChange.objects.filter(page=person.page_id)
    changes.filter(mid__in=messages.exclude(mid=None).values("mid")).delete()
    listed = sorted(keys)
    for start in range(0, len(listed), KEYS_AT_ONCE):  # changes of messages that never came
        changes.filter(key__in=listed[start : start + KEYS_AT_ONCE]).delete()
    _attachments(person).delete()
    PageReaction.objects.filter(message__conversation__contact=person).delete()
    messages.filter(kind=Message.Kind.MESSAGE, direction=Message.Direction.OUT, state__in=NEVER_SENT).delete()
    messages.update(
        text="",
        card=None,
        reactions=[],
        reply_to_mid="",
        reason="",
        original_timestamp="",
        client_key=None,
        fbtrace_id="",
        retry_after=None,
    )
    Draft.objects.filter(conversation__contact=person).delete()


def _erase_contact(person: Contact) -> None:
    Moderation.objects.filter(contact=person).delete()
    person.psid = f"erased-{person.pk}"
    person.name = person.email = person.phone = person.about = ""
    person.picture = ""
    person.profile_state, person.profile_retry_after = Contact.ProfileState.REFUSED, None
    person.blocked_at = person.blocked_by = None
    person.erased_at = timezone.now()
    person.save()


def _erase_history(person: Contact) -> None:
    """Django's history shows a person by name."""
    kind = ContentType.objects.get_for_model(Contact)
    LogEntry.objects.filter(content_type=kind, object_id=str(person.pk)).update(
        object_repr=str(person)[:200], change_message=""
    )


def _keep_shells(user: User, person: Contact, receipt: Erasure) -> None:
    now = receipt.erased_at.replace(microsecond=receipt.erased_at.microsecond // 1000 * 1000)
    tickets = Ticket.objects.filter(conversation__contact=person)
    tickets.update(subject="")
    tickets.filter(status=Ticket.Status.OPEN).update(status=Ticket.Status.CLOSED, closed_at=now)
    Viewer.objects.filter(conversation__contact=person).delete()
    SenderAction.objects.filter(conversation__contact=person).delete()
    for conversation in Conversation.objects.filter(contact=person).select_related("contact", "channel"):
        conversation.message_count = conversation.messages.filter(kind=Message.Kind.MESSAGE).count()
        conversation.unread_count = 0
        conversation.waiting_since = conversation.last_customer_message_at = None
        conversation.holds_reply = False
        conversation.preview, conversation.preview_is_ours = PREVIEW, False
        conversation.thread_owner_app_id = ""
        conversation.save()
        message_service.add_message(
            conversation,
            direction=Message.Direction.OUT,
            kind=Message.Kind.EVENT,
            source=Message.Source.SYSTEM,
            author=user,
            card={
                "kind": "erased",
                "title": f"{user} erased this customer",
                "text": f"Receipt {receipt.confirmation_code}",
                "url": "",
            },
            sent_at=now,
            state=State.SENT,
        )


# --- The files --------------------------------------------------------------------------------------------------------
def delete_files() -> int:
    """Delete the files of erased people from the storage; return how many. What fails stays listed for the next try."""
    count = 0
    for receipt in Erasure.objects.filter(completed_at=None).order_by("pk"):
        left = []
        for name in receipt.files_left:
            try:
                default_storage.delete(name)
                count += 1
            except OSError:
                logger.exception("A file of %s could not be deleted", receipt)
                left.append(name)
        receipt.files_left = left
        receipt.completed_at = None if left else timezone.now()
        receipt.save(update_fields=["files_left", "completed_at"])
    return count


# --- The receipts -----------------------------------------------------------------------------------------------------
def receipts_of(psid: str) -> Q:
    """Which receipts are of a page-scoped id, whatever its Page, also under a key that was replaced since."""
    pages = Page.objects.filter(erasures__isnull=False).distinct().values_list("page_id", flat=True)
    return Q(person__in=[name for page_id in pages for name in Erasure.fingerprints(page_id, psid)])


def is_called(contact: Contact, psid: str) -> bool:
    """Say whether this is the page-scoped id of `contact`, also when Desk has forgotten it with them."""
    if contact.erased_at is None:
        return contact.psid == psid
    return receipts_for(contact.page, psid).filter(contact=contact).exists()


def receipts_for(page: Page, psid: str) -> QuerySet[Erasure, Erasure]:
    """Return the receipts of whoever had this page-scoped id at the Page, the newest first."""
    return Erasure.objects.filter(page=page, person__in=Erasure.fingerprints(page.page_id, psid))

"""Erase a contact: their messages and files, their identity, and what agents wrote about them. A receipt remains.

The contact, their conversations and tickets stay, emptied, with numbers and times. Mids stay, so that Meta's late
repetitions are recognized and not stored again. When the person writes again they are a new contact.

A block at Meta stays: being erased does not unblock anybody. Afterwards Desk no longer knows the page-scoped id that it
would need to unblock them, so the receipt says that the block exists.
"""

import logging
import secrets
from collections import Counter
from collections.abc import Collection

from django.contrib.auth.models import AnonymousUser
from django.core.files.storage import default_storage
from django.db import transaction
from django.db.models import Count, Q, QuerySet, Sum
from django.utils import timezone

from channels_im.models import Page
from channels_im.services.journal import redaction
from desk import audit_log
from desk.backup.after_restore import Circumstances
from desk.errors import Refused
from desk.models import User
from desk.queue import enqueue
from desk.sentences import counted, sentence
from tickets.models import (
    Attachment,
    Contact,
    ContactNote,
    Conversation,
    Draft,
    Erasure,
    MacroRun,
    Mention,
    Message,
    MessageChange,
    Moderation,
    PageReaction,
    ScheduledReply,
    ScheduledReplyFile,
    SenderAction,
    ThreadControlRequest,
    Ticket,
    TicketChange,
    Viewer,
)
from tickets.services.conversation import custom_fields, mentions, notices, persons, previews
from tickets.services.conversation import messages as message_service
from tickets.services.page_actions import moderation
from tickets.services.webhooks import events

logger = logging.getLogger(__name__)

TASK = "tickets.tasks.delete_erased_files"
PERMISSION = "tickets.erase_contact"
SEES_RECEIPTS = "tickets.view_erasure"
PREVIEW = previews.ERASED
KEY_BATCH_SIZE = 500
State = Message.State
NEVER_SENT = (State.QUEUED, State.HELD, State.FAILED)

RECEIVING = sentence(
    "Messages from this customer are arriving at this moment. Nothing was erased. Try again in a few seconds."
)
SENDING = sentence(
    "A reply to this customer is being sent at this moment. Nothing was erased. Try again in a few seconds."
)
PERSON_CHANGED = sentence(
    "Who belongs to this person has changed meanwhile. Nothing was erased. Look at the list again."
)
NOT_ALLOWED = sentence("Only somebody with the permission “Erase customers for ever” can do this.")
BLOCKING = sentence(
    "A block of this customer is being sent to Facebook at this moment. Nothing was erased. Try again in a minute."
)


def may_erase(user: User | AnonymousUser) -> bool:
    """Return whether `user` is an administrator with the permission to erase."""
    return bool(user.is_active and user.is_staff and user.has_perm(PERMISSION))


def may_see_receipts(user: User | AnonymousUser) -> bool:
    """Return whether `user` is an administrator who may erase or has the permission to view receipts."""
    return may_erase(user) or bool(user.is_active and user.is_staff and user.has_perm(SEES_RECEIPTS))


def counts_of(contact: Contact) -> dict[str, int]:
    """Return how much is stored about a contact: conversations, tickets, messages, notes, files, bytes, drafts."""
    messages = Message.objects.filter(conversation__contact=contact)
    kinds = dict(messages.order_by().values_list("kind").annotate(Count("pk")))
    files = _attachments(contact).exclude(file="").aggregate(count=Count("pk"), bytes=Sum("size"))
    return {
        "conversations": Conversation.objects.filter(contact=contact).count(),
        "tickets": Ticket.objects.filter(conversation__contact=contact).count(),
        "messages": kinds.get(Message.Kind.MESSAGE, 0),
        "notes": kinds.get(Message.Kind.NOTE, 0) + ContactNote.objects.filter(contact=contact).count(),
        "files": files["count"] + bool(contact.picture),
        "bytes": files["bytes"] or 0,
        "drafts": Draft.objects.filter(conversation__contact=contact).count(),
    }


def erase(user: User, contact: Contact) -> Erasure:
    """Erase the contact and return the receipt; for one who was erased already, the existing one. Raises Refused.

    The database is changed in one transaction. The worker then deletes the files, from the list in the receipt.
    """
    if not may_erase(user):
        raise Refused(NOT_ALLOWED)
    journal_search = redaction.search(contact.page.page_id, contact.psid)
    try:
        with transaction.atomic():
            person = _lock(contact)
            if person.erased_at is not None:
                return _receipt_of(person)
            return _erase(user, person, journal_search)
    except redaction.DeliveryBusyError:
        raise Refused(RECEIVING) from None


def erase_person(user: User, contact: Contact, expected: Collection[int]) -> list[Erasure]:
    """Erase all contacts of the contact's person in one transaction and return their receipts. Raises Refused.

    `expected` are the ids of the contacts that `user` was told of. When others are of the person now, or one of these
    cannot be erased, nothing is erased.
    """
    if not may_erase(user):
        raise Refused(NOT_ALLOWED)
    contacts = list(persons.members(contact).select_related("page").order_by("pk"))
    searches = {each.pk: redaction.search(each.page.page_id, each.psid) for each in contacts}
    try:
        with transaction.atomic():
            # All conversations before all contacts, as everywhere; then what `erase` locks is locked already.
            list(Conversation.objects.select_for_update().filter(contact__in=contacts).order_by("pk"))
            list(Contact.objects.select_for_update().filter(pk__in=searches).order_by("pk"))
            now = Contact.objects.get(pk=contact.pk)
            if now.erased_at or set(persons.members(now).values_list("pk", flat=True)) != set(expected):
                raise Refused(PERSON_CHANGED)
            if set(expected) != searches.keys():
                raise Refused(PERSON_CHANGED)
            return [_erase(user, _lock(each), searches[each.pk]) for each in contacts]
    except redaction.DeliveryBusyError:
        raise Refused(RECEIVING) from None


def erase_by_rule(contact: Contact, days: int, quiet: QuerySet[Contact, Contact]) -> Erasure | None:
    """Erase a contact with whom nobody exchanged anything for `days` and return the receipt.

    `quiet` are the contacts that the rule erases; the contact is looked up there again under its lock. Returns None
    when they are no longer among them, or when anything of theirs waits to be processed.
    """
    journal_search = redaction.search(contact.page.page_id, contact.psid)
    try:
        with transaction.atomic():
            person = _lock(contact)
            if not quiet.filter(pk=person.pk).exists():
                return None
            return _erase(None, person, journal_search, retention_days=days)
    except (Refused, redaction.DeliveryBusyError, redaction.DeliveryWaitingError):
        return None


def _receipt_of(person: Contact) -> Erasure:
    receipt = Erasure.objects.filter(contact=person).first()
    if receipt is None:
        raise Refused(sentence("This customer was erased already."))
    return receipt


def _lock(contact: Contact) -> Contact:
    """Lock the conversations, then the contact, in the order of blocking; then conversations created meanwhile."""
    conversations = Conversation.objects.select_for_update().filter(contact=contact).order_by("pk")
    list(conversations)
    person = Contact.objects.select_for_update(of=("self",)).select_related("page").get(pk=contact.pk)
    list(conversations.all())
    return person


def _erase(
    user: User | None,
    person: Contact,
    journal_search: redaction.SearchResult,
    retention_days: int | None = None,
) -> Erasure:
    """Erase a locked contact; `user` is None when a retention rule of `retention_days` does it."""
    messages = Message.objects.filter(conversation__contact=person)
    if messages.filter(state=State.SENDING).exists():
        raise Refused(SENDING)
    block_request = moderation.lock(person)
    if block_request is not None and block_request.is_under_way:
        raise Refused(BLOCKING)
    counts = Counter(counts_of(person))
    redacted = redaction.redact(journal_search, spare_waiting=retention_days is not None)
    counts["deliveries"], counts["events"] = redacted.deliveries, redacted.events
    files = [name for name in _attachments(person).values_list("file", flat=True) if name]
    scheduled = ScheduledReplyFile.objects.filter(reply__conversation__contact=person)
    files += [name for name in scheduled.values_list("file", flat=True) if name]
    files += [person.picture.name] if person.picture else []
    receipt = Erasure.objects.create(
        confirmation_code=secrets.token_hex(10),
        page=person.page,
        person=Erasure.fingerprint(person.page.page_id, person.psid),
        contact=person,
        erased_by=user,
        retention_days=retention_days,
        counts=counts,
        meta_blocks=moderation.is_blocked_at_meta(person),
        files_left=files,
    )
    events.delete_for(list(Conversation.objects.filter(contact=person).values_list("pk", flat=True)))
    _erase_messages(person, messages, redacted.keys)
    _erase_contact(person)
    custom_fields.erase(person)
    audit_log.forget_object(person)
    _empty_conversations(user, person, receipt)
    actor = user or audit_log.SYSTEM
    entry = sentence("Erased. Receipt %(code)s.", code=receipt.confirmation_code)
    audit_log.record(actor, person, audit_log.Action.ERASED, entry)
    enqueue(TASK)
    return receipt


def _attachments(person: Contact) -> QuerySet[Attachment, Attachment]:
    return Attachment.objects.filter(message__conversation__contact=person)


def _erase_messages(person: Contact, messages: QuerySet[Message, Message], keys: set[str]) -> None:
    changes = MessageChange.objects.filter(page=person.page_id)
    changes.filter(mid__in=messages.exclude(mid=None).values("mid")).delete()
    sorted_keys = sorted(keys)
    for start in range(0, len(sorted_keys), KEY_BATCH_SIZE):  # changes of messages that never arrived
        changes.filter(key__in=sorted_keys[start : start + KEY_BATCH_SIZE]).delete()
    changes.filter(content__psid=person.psid).delete()  # receipts of messages that Desk does not have
    _attachments(person).delete()
    ThreadControlRequest.objects.filter(conversation__contact=person).delete()
    PageReaction.objects.filter(message__conversation__contact=person).delete()
    messages.filter(kind=Message.Kind.MESSAGE, direction=Message.Direction.OUT, state__in=NEVER_SENT).delete()
    messages.update(
        text="",
        card=None,
        sent_as=None,
        mentions=None,
        reactions=[],
        reply_to_mid="",
        reason="",
        original_timestamp="",
        client_key=None,
        fbtrace_id="",
        retry_after=None,
    )
    Draft.objects.filter(conversation__contact=person).delete()
    MacroRun.objects.filter(conversation__contact=person).delete()
    ScheduledReply.objects.filter(conversation__contact=person).delete()
    Mention.objects.filter(conversation__contact=person).delete()


def _erase_contact(person: Contact) -> None:
    Moderation.objects.filter(contact=person).delete()
    person.psid = f"erased-{person.pk}"
    person.name = person.email = person.phone = person.about = ""
    person.picture, person.origins = "", None
    person.person = person.external_id = person.external_url = None
    ContactNote.objects.filter(contact=person).delete()
    person.profile_state, person.profile_retry_after = Contact.ProfileState.REFUSED, None
    person.blocked_at = person.blocked_by = None
    person.erased_at = timezone.now()
    person.save()


def _empty_conversations(user: User | None, person: Contact, receipt: Erasure) -> None:
    """Empty and close the contact's tickets and conversations, and add an event with the receipt."""
    if user:
        title = sentence("%(user)s erased this customer", user=user)
    else:
        title = counted(
            "Erased after %(count)s day without a message",
            "Erased after %(count)s days without a message",
            receipt.retention_days or 0,
        )
    now = receipt.erased_at.replace(microsecond=receipt.erased_at.microsecond // 1000 * 1000)
    tickets = Ticket.objects.filter(conversation__contact=person)
    tickets.update(subject="", subject_is_own=False, priority=Ticket.Priority.NORMAL)
    Ticket.labels.through.objects.filter(ticket__in=tickets).delete()
    tickets.filter(status=Ticket.Status.OPEN).update(status=Ticket.Status.CLOSED, closed_at=now)
    TicketChange.objects.filter(conversation__contact=person).update(before={})  # it has subjects
    Viewer.objects.filter(conversation__contact=person).delete()
    SenderAction.objects.filter(conversation__contact=person).delete()
    notices.delete_for(list(Conversation.objects.filter(contact=person).values_list("pk", flat=True)))
    for conversation in Conversation.objects.filter(contact=person).select_related("contact", "channel"):
        conversation.message_count = conversation.messages.filter(kind=Message.Kind.MESSAGE).count()
        conversation.unread_count = 0
        conversation.waiting_since = conversation.last_customer_message_at = conversation.opened_by_ad_at = None
        conversation.holds_reply = conversation.is_open = conversation.is_snoozed = False
        conversation.snoozed_until, conversation.has_scheduled = None, False
        conversation.preview, conversation.preview_is_ours = PREVIEW, False
        conversation.thread_owner_app_id = ""
        conversation.save()
        mentions.end_access(conversation)
        message_service.add_message(
            conversation,
            direction=Message.Direction.OUT,
            kind=Message.Kind.EVENT,
            source=Message.Source.SYSTEM,
            author=user,
            card={
                "kind": "erased",
                "title": title,
                "text": sentence("Receipt %(code)s", code=receipt.confirmation_code),
                "url": "",
            },
            sent_at=now,
            state=State.SENT,
        )


# --- The files --------------------------------------------------------------------------------------------------------
def delete_files() -> int:
    """Delete the files of erased contacts from the storage; return how many. A failed one stays listed for a retry."""
    count = 0
    for receipt in Erasure.objects.filter(completed_at=None).order_by("pk"):
        remaining = []
        for name in receipt.files_left:
            try:
                default_storage.delete(name)
                count += 1
            except OSError:
                logger.exception("A file of %s could not be deleted", receipt)
                remaining.append(name)
        receipt.files_left = remaining
        receipt.completed_at = None if remaining else timezone.now()
        receipt.save(update_fields=["files_left", "completed_at"])
    return count


# --- After a backup was restored --------------------------------------------------------------------------------------
def remind_after_restore(circumstances: Circumstances) -> list[str]:
    """Remind whoever restores that people erased after the backup are back. Desk cannot know who they are."""
    if circumstances.moved:
        return []
    newest = Erasure.objects.order_by("-erased_at").values_list("erased_at", "confirmation_code").first()
    known = (
        sentence(
            "The newest receipt in it is %(code)s of %(time)s UTC.", code=newest[1], time=f"{newest[0]:%Y-%m-%d %H:%M}"
        )
        if newest
        else sentence("It has no receipts.")
    )
    back = sentence(
        "People who were erased after %(time)s are back with this backup: erase them again.", time=circumstances.made_at
    )
    return [f"{back} {known}"]


# --- The receipts -----------------------------------------------------------------------------------------------------
def receipts_of(psid: str) -> Q:
    """Return the condition for receipts of a page-scoped id at any Page, also made with a key that was replaced."""
    pages = Page.objects.filter(erasures__isnull=False).distinct().values_list("page_id", flat=True)
    fingerprints = [fingerprint for page_id in pages for fingerprint in Erasure.fingerprints(page_id, psid)]
    return Q(person__in=fingerprints)


def has_psid(contact: Contact, psid: str) -> bool:
    """Return whether this is the page-scoped id of `contact`, also when it was erased with them."""
    if contact.erased_at is None:
        return contact.psid == psid
    return receipts_for(contact.page, psid).filter(contact=contact).exists()


def receipts_for(page: Page, psid: str) -> QuerySet[Erasure, Erasure]:
    """Return the receipts of this page-scoped id at the Page, newest first."""
    return Erasure.objects.filter(page=page, person__in=Erasure.fingerprints(page.page_id, psid))

"""Check a reply and put it into the outbox.

`outbox` sends it; `undelivered` has what an agent may do with one that was not sent. The rules are in
`tickets.rules.sending` and `tickets.rules.window`.
"""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import PurePosixPath
from typing import Any

from django.conf import settings
from django.core.files.base import File
from django.db import transaction
from django.utils import timezone

from channels_im.messenger import files as file_rules
from channels_im.models import Page
from desk import wake
from desk.errors import Refused
from desk.languages import in_english
from desk.models import User
from desk.sentences import sentence
from desk.storage import undone_on_failure
from desk.text import is_blank
from tickets.models import Attachment, Conversation, Message
from tickets.rules import sent_as
from tickets.rules.sending import ALLOWED, Refusal, SendFacts, Verdict, clean_text, may_hold
from tickets.rules.sending import may_send as decide
from tickets.rules.window import Window, policy, window
from tickets.services.conversation import access, assigning
from tickets.services.conversation import messages as message_service
from tickets.services.conversation.times import now_after
from tickets.services.outgoing import collision, delivery_status, held_replies, outgoing_files
from tickets.services.outgoing.outgoing_files import NamedFile

State, Source = Message.State, Message.Source
# A client key is stored unchanged up to this length, else as its digest; ":<part>" follows it.
MAX_CLIENT_KEY_CHARACTERS = 56


@dataclass(frozen=True)
class Part:
    """One message of a reply. `form` is that of a sticker or a template, `card` what the thread shows of it."""

    text: str
    attachments: tuple[Attachment, ...] = ()
    card: dict[str, Any] | None = None
    form: sent_as.StoredForm | None = None


@dataclass(frozen=True)
class SpecialPart:
    """A sticker or a template: the whole of a reply. `picture` is a stored file whose copy the thread shows."""

    form: sent_as.StoredForm
    text: str = ""
    card: dict[str, Any] | None = None
    picture: Attachment | None = None

    def part(self, attachments: list[Attachment]) -> Part:
        """Return the message of this reply, with the copy of its picture."""
        return Part(self.text, tuple(attachments), self.card, self.form)


class ReplyError(Refused):
    """A reply that may not be sent, or an action on a reply that is not possible; `verdict` says why."""

    def __init__(self, verdict: Verdict) -> None:
        super().__init__(verdict.sentence, verdict.code or "")
        self.verdict = verdict


# --- May this be sent? ------------------------------------------------------------------------------------------------
def may_send(
    user: User | None,
    conversation: Conversation,
    *,
    text: str | None = None,
    files: Sequence[NamedFile] = (),
    form: sent_as.StoredForm | None = None,
) -> Verdict:
    """Return whether `user` (None: Desk itself, no person) may send this in `conversation` now, and if not, why.

    Without `text` and `files` only the conversation is checked, as the composer does before anything is written.
    `form` is that of a sticker or a template.
    Channel, Page and contact are read from the database again, not from `conversation`.
    """
    cleaned = None if text is None else clean_text(text)
    verdict, _checked = check_reply(user, conversation.pk, cleaned, files, form=form)
    return verdict


def may_send_in(user: User, conversation: Conversation, user_facts: access.UserFacts) -> Verdict:
    """Return what `may_send` says of a conversation that was read just now (access.get_conversation). Makes no query.

    `user_facts` is a result of `access.facts_for(user)`.
    """
    now = timezone.now()
    return decide(send_facts(user, conversation, author_is_human=True, now=now, user_facts=user_facts))


def window_of(conversation: Conversation, now: datetime | None = None) -> Window:
    """Return the messaging window of `conversation` at `now` (default: the current time). Makes no query."""
    return window(
        conversation.last_customer_message_at,
        now or timezone.now(),
        settings.META_HUMAN_AGENT,
        conversation.opened_by_ad_at if settings.META_AD_WINDOW else None,
    )


def send_facts(
    user: User | None,
    conversation: Conversation,
    *,
    author_is_human: bool,
    now: datetime,
    user_facts: access.UserFacts | None = None,
    form: sent_as.StoredForm | None = None,
) -> SendFacts:
    """Return the facts on which `may_send` decides, without those of a message.

    `conversation` comes with its contact, channel and Page freshly read. `user_facts` is a recent result of
    `access.facts_for(user)`, for callers that check many conversations. `form` is that of a sticker or a template.
    """
    channel, contact = conversation.channel, conversation.contact
    reader = access.NOBODY if user is None else user_facts or access.facts_for(user)
    return SendFacts(
        window=window_of(conversation, now),
        channel_deleted=channel.is_deleted,
        channel_active=channel.is_active,
        reauth_reason=_reauth_reason(channel.page),
        contact_blocked=contact.is_blocked,
        contact_erased=contact.erased_at is not None,
        is_associated=user is None or access.may_work_in(reader, conversation),
        is_mentioned=conversation.pk in reader.granted,
        author_is_human=author_is_human,
        is_sticker=bool(sent_as.sticker_in(form)),
        is_template=sent_as.template_in(form) is not None,
    )


def _reauth_reason(page: Page) -> str:
    if page.is_connected:
        return "" if page.page_token else sentence("Its access token is missing")
    return in_english(page.get_reauth_reason_display())


def check_reply(
    user: User | None,
    conversation_id: int,
    text: str | None,
    files: Sequence[NamedFile],
    hold: bool = False,
    form: sent_as.StoredForm | None = None,
) -> tuple[Verdict, list[file_rules.OutgoingFile]]:
    """Return whether this may be sent now, or with `hold` be held, and what is known of its files."""
    conversation = Conversation.objects.select_related("channel__page", "contact").get(pk=conversation_id)
    facts = send_facts(user, conversation, author_is_human=user is not None, now=timezone.now(), form=form)
    checked, refusals = outgoing_files.check(files)
    facts = replace(facts, text=text, file_count=len(files), file_refusals=refusals)
    return may_hold(facts) if hold else decide(facts), checked


# --- Queue ------------------------------------------------------------------------------------------------------------
def queue_reply(
    user: User | None,
    conversation: Conversation,
    *,
    text: str = "",
    files: Sequence[NamedFile] = (),
    reply_to_mid: str = "",
    client_key: str | None = None,
    hold: bool = False,
    seen: int | None = None,
    special: SpecialPart | None = None,
) -> list[Message]:
    """Put a reply into the outbox, one message per part (the text first, then each file), and return them in order.

    `text` may have at most 1600 characters (code points) after `clean_text`; `files` are seekable and named, within
    the limits of `messenger.files`. `client_key` is made by the composer or API client: the same key again in this
    conversation returns the messages of the first time. With `hold`, a reply that may only be sent after the customer
    writes again is held until then (`held_replies.release`) instead of refused. `user` None: Desk itself writes, which
    Meta does not count as a person. `special` is a sticker or a template: the whole reply, in place of text and files.

    Raises ReplyError, or AnsweredMeanwhileError when somebody answered after message `seen` (id). Nothing is stored
    then.
    """
    text = clean_text(text)
    key = stored_key(client_key)
    if special is not None:
        text, files = special.text, ()
    part_count = (0 if is_blank(text) else 1) + len(files)
    if key and (known := known_parts(conversation, key)):
        return known
    form = special.form if special else None
    checked_text = text if special is None else None
    verdict, checked = check_reply(user, conversation.pk, checked_text, files, hold, form)
    if not verdict.allowed and not (hold and verdict.waits_for_customer and part_count):
        raise ReplyError(verdict)
    check_reply_to(conversation, reply_to_mid)
    with undone_on_failure():
        attachments = [_store(file, result) for file, result in zip(files, checked, strict=True)]
        if special is not None and special.picture is not None:
            attachments = [_copy(special.picture)]
        with transaction.atomic():
            message_service.lock(conversation)
            if key and (known := known_parts(conversation, key)):
                outgoing_files.delete_unused(attachments)
                return known
            require_not_erased(user, conversation, form)
            if user is not None and seen is not None:
                collision.require_seen(user, conversation, seen)
            if verdict.waits_for_customer and policy(window_of(conversation), author_is_human=user is not None):
                verdict = ALLOWED  # the customer has written since the check
            parts = [special.part(attachments)] if special else parts_of(text, attachments)
            queued = add_parts(user, conversation, parts, reply_to_mid, key, verdict)
            if user is not None:
                assigning.after_reply(user, conversation)
            return queued


def require_not_erased(user: User | None, conversation: Conversation, form: sent_as.StoredForm | None = None) -> None:
    """Raise ReplyError when the customer was erased since the check; the conversation is locked now."""
    if conversation.last_customer_message_at is None:  # as it is too when they have never written
        again = may_send(user, conversation, form=form)
        if again.code == Refusal.CONTACT_ERASED:
            raise ReplyError(again)


def parts_of(text: str, attachments: list[Attachment]) -> list[Part]:
    """Return the parts of a reply: the text first, then each file."""
    parts = [] if is_blank(text) else [Part(text)]
    return parts + [Part("", (attachment,)) for attachment in attachments]


def add_parts(
    user: User | None,
    conversation: Conversation,
    parts: Sequence[Part],
    reply_to_mid: str,
    key: str | None,
    verdict: Verdict,
    *,
    written_at: datetime | None = None,
) -> list[Message]:
    """Add the messages of a reply that was checked to a locked conversation; return them in order.

    `written_at` is when the author wrote it, if that is not now: what the customer said since is not answered by it,
    and stays unread.
    """
    now = now_after(conversation.last_message_at)
    messages = []
    for position, part in enumerate(parts):
        message, _created = message_service.add_message(
            conversation,
            direction=Message.Direction.OUT,
            source=Source.SYSTEM if user is None else Source.AGENT,
            author=user,
            sent_at=now,
            answers_until=written_at or now,
            state=State.QUEUED if verdict.allowed else State.HELD,
            reason=verdict.sentence,
            waits_for_customer=not verdict.allowed,
            text=part.text,
            card=part.card,
            sent_as=part.form,
            attachments=part.attachments,
            reply_to_mid=reply_to_mid if position == 0 else "",
            client_key=_part_key(key, position),
        )
        messages.append(message)
    if user is not None and written_at is None and conversation.unread_count:
        conversation.unread_count = 0
        conversation.save(update_fields=["unread_count"])
    if verdict.allowed:
        wake.wake(delivery_status.JOB)
    else:
        held_replies.refresh(conversation)
    return messages


def is_queued(conversation: Conversation, client_key: str | None) -> bool:
    """Return whether a reply with this client key is in the outbox of this conversation already."""
    key = stored_key(client_key)
    return key is not None and bool(known_parts(conversation, key))


def stored_key(client_key: str | None) -> str | None:
    """Return the client key of a composer or API client as it is stored; None without one."""
    key = clean_text(client_key or "")
    if len(key) > MAX_CLIENT_KEY_CHARACTERS or ":" in key:
        return hashlib.sha256(key.encode()).hexdigest()[:40]
    return key or None


def _part_key(key: str | None, position: int) -> str | None:
    return f"{key}:{position}" if key and position else key


def known_parts(conversation: Conversation, key: str) -> list[Message]:
    """Return the messages of the reply with this stored client key, in order."""
    # A list of keys and not a prefix: LIKE ignores case on SQLite.
    keys = [_part_key(key, position) for position in range(1 + settings.DATA_UPLOAD_MAX_NUMBER_FILES)]
    return list(Message.objects.filter(conversation=conversation, client_key__in=keys).order_by("id"))


def check_reply_to(conversation: Conversation, mid: str) -> None:
    """Raise ReplyError unless `mid` is empty or that of a message of the conversation."""
    known = not mid or Message.objects.filter(conversation=conversation, mid=mid).exists()
    require(
        known,
        sentence("The message this replies to is not in this conversation. Choose another one, or reply without it."),
    )


def _store(file: NamedFile, checked: file_rules.OutgoingFile) -> Attachment:
    """Return an unsaved attachment whose bytes are in the storage under a generated name."""
    return outgoing_files.store(Attachment(state=Attachment.State.STORED), file, checked)


def _copy(stored: Attachment) -> Attachment:
    """Return an unsaved attachment with a copy of the bytes of a stored one."""
    names = ("kind", "name", "content_type", "size", "state", "width", "height")
    attachment = Attachment(**{name: getattr(stored, name) for name in names})
    with stored.file.open("rb") as file:
        attachment.file.save(PurePosixPath(stored.file.name or "").name, File(file), save=False)
    return attachment


def require(condition: object, sentence: str) -> None:
    """Raise ReplyError (NOT_POSSIBLE) with this sentence unless the condition holds."""
    if not condition:
        raise not_possible(sentence)


def not_possible(sentence: str) -> ReplyError:
    """Return the error for an action that is not possible in the present state, with the sentence that says why."""
    return ReplyError(Verdict(False, Refusal.NOT_POSSIBLE, sentence))

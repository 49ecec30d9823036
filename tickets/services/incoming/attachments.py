"""Files that customers sent: fetched from Meta after the message, checked by their bytes, stored or refused with words.

Of audio and video that a channel does not take only the size is asked for, once, so that the card can say it. Rows wait
as attachments in the state `pending`; whatever happens to a file, the message is there already. Meta's links
die after hours or days: for one that is dead before the file was fetched, Meta is asked for a fresh one.
"""

import logging
import re
import time
import uuid
from dataclasses import dataclass
from datetime import timedelta
from typing import IO
from urllib.parse import urlsplit

from django.conf import settings
from django.core.files import File
from django.db import transaction
from django.db.models import Count, F, Q, QuerySet
from django.utils import timezone
from PIL import Image

from channels_im.messenger import conversations, media
from channels_im.messenger import files as file_rules
from channels_im.messenger.errors import ErrorKind, GraphError
from channels_im.models import Channel
from desk.backoff import delay_after
from desk.queue import enqueue
from tickets.models import Attachment, Conversation
from tickets.services.conversation import messages
from tickets.services.incoming import profiles
from tickets.services.incoming.fetch_pool import fetch_all
from tickets.services.webhooks import events

logger = logging.getLogger(__name__)

TASK = "tickets.tasks.fetch_files"
AT_ONCE = 4
# Together below the time-out of a task (Q_CLUSTER) and below DESK_CLAIM_SECONDS.
LONGEST_RUN_S = 10
FETCH_TIMEOUT_S = 40.0

NOT_RECEIVED = "Audio and video from Messenger are not received by this channel. An administrator can turn that on."
BROKEN = "Desk could not read this file. Look at it in the Page inbox on Facebook."
GONE = "Facebook's link to this file has expired, and Facebook gives no fresh one. Look in the Page inbox on Facebook."
NOT_CONNECTED = (
    "Facebook's link to this file has expired, and a fresh one is given only when the Page is connected. Ask an "
    "administrator to re-authenticate it, then try again."
)
# How often Meta is asked for a fresh link of one file before a person has to ask for it.
MOST_REFRESHES = 3
# A link that took longer to prove dead leaves no time in this run to ask for another.
REFRESH_WITHIN_S = 10
PASSING = (ErrorKind.TRANSIENT, ErrorKind.RATE_LIMITED)
# A key of our own making, where Meta gave no mid: Meta does not know it.
OWN_KEY = re.compile(r"[a-z-]+:")
State = Attachment.State
TO_FETCH = Q(state=State.PENDING)
SIZE_UNKNOWN = Q(state=State.REFUSED, size=None, attempts=0, reason=NOT_RECEIVED)  # nobody has asked the host yet
LOUD = (Attachment.Kind.AUDIO, Attachment.Kind.VIDEO)


@dataclass(frozen=True)
class FetchResult:
    """What the network gave: a `file` to keep, or a `reason` why not, which may pass (`again`); and known `fields`.

    `fresh_url` is a new link to try next; `error` is what Meta answered when it was asked for one.
    """

    file: IO[bytes] | None = None
    stored_name: str = ""
    fields: tuple[tuple[str, object], ...] = ()
    state: str = State.FAILED
    reason: str = ""
    again: bool = False
    fresh_url: str = ""
    error: GraphError | None = None


def due(what: Q = TO_FETCH) -> QuerySet[Attachment, Attachment]:
    """Return the attachments that wait for `what`, may be asked for now, and are in nobody's hands.

    TO_FETCH or SIZE_UNKNOWN, each with an index of its own: SQLite would read the whole table for both at once.
    """
    now = timezone.now()
    stale = now - timedelta(seconds=settings.DESK_CLAIM_SECONDS)
    return Attachment.objects.filter(
        Q(retry_after=None) | Q(retry_after__lte=now),
        Q(claimed_at=None) | Q(claimed_at__lt=stale),
        what,
    ).exclude(source_url="")


def is_due() -> bool:
    """Say whether any file waits to be fetched, or to be asked for its size."""
    return due().exists() or due(SIZE_UNKNOWN).exists()


def fetch_files() -> int:
    """Fetch what is due, several at once; return how many files were tried. Stops after a while, nudging itself."""
    return fetch_all(_claim, _fetch, _keep, at_once=AT_ONCE, longest_run_s=LONGEST_RUN_S, task=TASK)


def _claim(limit: int) -> list[Attachment]:
    token = uuid.uuid4().hex
    claimed: list[int] = []
    for what in (TO_FETCH, SIZE_UNKNOWN):
        for pk in list(due(what).order_by("pk").values_list("pk", flat=True)[: limit - len(claimed)]):
            taken = due(what).filter(pk=pk).values("pk")
            if Attachment.objects.filter(pk__in=taken).update(
                claimed_at=timezone.now(), claimed_by=token, attempts=F("attempts") + 1
            ):
                claimed.append(pk)
    rows = Attachment.objects.filter(pk__in=claimed, claimed_by=token).annotate(siblings=Count("message__attachments"))
    return list(rows.select_related("message__conversation__channel", "message__page").order_by("pk"))


def _fetch(attachment: Attachment) -> FetchResult:
    """Fetch one file and look at its bytes. Runs in a thread: no database here."""
    if attachment.state == State.REFUSED:
        size = media.size_of(attachment.source_url)
        return FetchResult(state=State.REFUSED, reason=attachment.reason, fields=(("size", size),))
    began = time.monotonic()
    try:
        fetched = media.fetch(attachment.source_url, timeout_s=FETCH_TIMEOUT_S)
    except media.MediaError as refused:
        if refused.expired:
            return _refresh(attachment, refused.sentence, late=time.monotonic() - began > REFRESH_WITHIN_S)
        state = State.REFUSED if refused.too_big else State.FAILED
        return FetchResult(
            state=state, reason=refused.sentence, again=refused.transient, fields=(("size", refused.size),)
        )
    try:
        return _check(attachment, fetched)
    except file_rules.FileError as refused:
        fetched.close()
        return FetchResult(state=State.REFUSED, reason=refused.sentence, fields=(("size", fetched.size),))
    except Exception:
        fetched.close()
        logger.exception("Attachment %s could not be read", attachment.pk)
        return FetchResult(reason=BROKEN)


# --- A fresh link -----------------------------------------------------------------------------------------------------
def _refresh(attachment: Attachment, reason: str, *, late: bool) -> FetchResult:
    """Ask Meta for the message once more, for the link in it. Runs in a thread: no database here."""
    message, page = attachment.message, attachment.message.page
    if not message.mid or OWN_KEY.match(message.mid) or attachment.refreshes >= MOST_REFRESHES:
        return FetchResult(reason=GONE)
    if not page.is_connected or not page.page_token:
        return FetchResult(reason=NOT_CONNECTED)
    if late:
        return FetchResult(reason=reason, again=True)
    try:
        found = conversations.read_message(message.mid, page.page_id, page.page_token)
    except GraphError as error:
        kind = error.verdict.kind
        words = NOT_CONNECTED if kind is ErrorKind.REAUTHENTICATE else reason if kind in PASSING else GONE
        return FetchResult(reason=words, again=kind in PASSING, error=error)
    url = _link_in(found, attachment) if found else ""
    if not url or url == attachment.source_url:
        return FetchResult(reason=GONE)
    return FetchResult(reason=reason, fresh_url=url)


def _link_in(message: conversations.GraphMessage, attachment: Attachment) -> str:
    """The link of this file among those of its message: the same path, else the same name, else the same place."""
    path = urlsplit(attachment.source_url).path
    for link in message.attachments:
        if urlsplit(link.url).path == path:
            return link.url
    named = [link.url for link in message.attachments if link.name and link.name == attachment.name]
    if len(named) == 1:
        return named[0]
    if len(message.attachments) == attachment.siblings > attachment.position:
        return message.attachments[attachment.position].url
    return ""


def may_try_again(attachment: Attachment, channel: Channel) -> bool:
    """Can a person ask for this file once more? Not for one whose type or size is wrong: it would be so again."""
    if not channel.is_active or not attachment.source_url:
        return False
    waits_for_channel = attachment.state == State.REFUSED and attachment.reason == NOT_RECEIVED
    return attachment.state == State.FAILED or (waits_for_channel and channel.receive_audio_video)


def try_again(conversation: Conversation, attachment: Attachment) -> bool:
    """Let the file be fetched anew, from a fresh link if need be; False when it cannot be, or is under way already."""
    if not may_try_again(attachment, conversation.channel):
        return False
    with transaction.atomic():
        given_up = Attachment.objects.filter(pk=attachment.pk, state=attachment.state)
        if not given_up.update(state=State.PENDING, reason="", attempts=0, refreshes=0, retry_after=None):
            return False
        events.messages_updated(conversation, [attachment.message_id], "attachments")
        messages.announce(conversation)
        enqueue(TASK)
    return True


# --- What is kept -----------------------------------------------------------------------------------------------------
def _check(attachment: Attachment, fetched: media.FetchedFile) -> FetchResult:
    checked = file_rules.check_incoming(fetched.file, fetched.filename)
    if checked.kind in LOUD and not attachment.message.conversation.channel.receive_audio_video:
        raise file_rules.FileError(NOT_RECEIVED)
    file, kept_as = fetched.file, checked.type
    if checked.convert:
        file, kept_as = file_rules.to_png_first_frame(fetched.file), file_rules.PNG
        fetched.close()
    size = file.seek(0, 2)
    is_sticker = attachment.kind == Attachment.Kind.STICKER and checked.kind == "image"
    fields: dict[str, object] = {
        "kind": Attachment.Kind.STICKER if is_sticker else checked.kind,
        "name": checked.name,
        "content_type": kept_as.content_type,
        "size": size,
    }
    if checked.kind == "image":
        fields["width"], fields["height"] = _pixels(file)
    file.seek(0)
    return FetchResult(file, file_rules.stored_name(kept_as), tuple(fields.items()))


def _pixels(file: IO[bytes]) -> tuple[int | None, int | None]:
    """Return width and height from the image's header, or None where it does not say."""
    file.seek(0)
    try:
        with Image.open(file, formats=["JPEG", "PNG"]) as image:
            return image.size
    except Exception:  # Pillow raises nearly anything on damaged input; the file is kept as it came
        return None, None


def _keep(attachment: Attachment, found: FetchResult) -> None:
    """Write what was found, if the row is still ours; a file that found no row is thrown away."""
    held = Attachment.objects.filter(pk=attachment.pk, claimed_by=attachment.claimed_by, state=attachment.state)
    fields = dict(found.fields)
    fields |= {"claimed_at": None, "claimed_by": "", "retry_after": None, "reason": found.reason}
    stored = None
    if found.error is not None:
        profiles.note_trouble(attachment.message.page, found.error)
    try:
        if found.file is not None:
            stored = _store(attachment, found)
            fields |= {"state": State.STORED, "file": stored}
        elif found.fresh_url:
            fields |= {"source_url": found.fresh_url, "refreshes": attachment.refreshes + 1}
        elif found.again and (pause := delay_after(attachment.attempts)):
            fields["retry_after"] = timezone.now() + pause
        else:
            fields["state"] = found.state
        with transaction.atomic():
            kept = held.update(**fields)
            if kept and "state" in fields:
                events.messages_updated(attachment.message.conversation, [attachment.message_id], "attachments")
            if kept:
                messages.announce(attachment.message.conversation)
    except BaseException:
        kept = 0
        raise
    finally:
        if found.file is not None:
            found.file.close()
        if stored and not kept:
            attachment.file.storage.delete(stored)


def _store(attachment: Attachment, found: FetchResult) -> str:
    """Write the file to the storage under a name that owes nothing to the sender; return that name."""
    assert found.file is not None  # noqa: S101 - asked before
    field = attachment.file
    name = field.field.generate_filename(attachment, found.stored_name)
    return field.storage.save(name, File(found.file), max_length=field.field.max_length)

"""Fetch the files customers sent, check them by their bytes, and store or refuse them with a reason.

Files are fetched after their message was stored: attachments wait in the state `pending`. For audio and video that a
channel does not receive only the size is requested, once, so that the card can show it. Meta's links expire after hours
or days: when one has expired before the file was fetched, Desk requests a new link.
"""

import logging
import re
import time
from dataclasses import dataclass
from typing import IO, TYPE_CHECKING, TypedDict
from urllib.parse import urlsplit

from django.conf import settings
from django.core.files import File
from django.db import transaction
from django.db.models import Count, Q, QuerySet
from django.utils import timezone
from PIL import Image

from channels_im.messenger import conversations, media, media_hosts
from channels_im.messenger import files as file_rules
from channels_im.messenger.errors import ErrorKind, GraphError
from channels_im.models import Channel
from channels_im.services.facebook import page_errors
from channels_im.services.facebook.page_errors import Call
from desk import wake
from desk.backoff import delay_after
from desk.call_pool import make_calls
from desk.claims import DueTimes
from desk.sentences import sentence
from tickets.models import Attachment, Conversation
from tickets.rules.cards import pictures_in
from tickets.services.conversation import messages
from tickets.services.webhooks import events

logger = logging.getLogger(__name__)

JOB = "files"
POOL_SIZE = 4
MAX_RUN_S = 120  # with one fetch less than the time-out of a task (Q_CLUSTER), which an older version may have queued
FETCH_TIMEOUT_S = 40.0  # less than DESK_CLAIM_SECONDS

NOT_RECEIVED = sentence(
    "Audio and video from Messenger are not received by this channel. An administrator can turn that on."
)
BROKEN = sentence("Desk could not read this file. Look at it in the Page inbox on Facebook.")
LINK_EXPIRED = sentence(
    "Facebook's link to this file has expired, and Facebook gives no new one. Look in the Page inbox on Facebook."
)
NOT_CONNECTED = sentence(
    "Facebook's link to this file has expired, and Facebook gives a new one only when the Page is connected. Ask an "
    "administrator to re-authenticate it, then try again."
)
# How often Desk requests a new link for one file by itself; after that an agent has to retry.
MAX_REFRESHES = 3
# When the expired link took longer than this to answer, this run has no time left to request a new one.
REFRESH_WITHIN_S = 10
RETRYABLE = (ErrorKind.TRANSIENT, ErrorKind.RATE_LIMITED)
# A key that Desk made because the event had no mid: Meta does not know it.
OWN_KEY = re.compile(r"[a-z-]+:")
State = Attachment.State
FETCHES = DueTimes(Attachment, "retry_after", "attempts")
TO_FETCH = Q(state=State.PENDING)
SIZE_UNKNOWN = Q(state=State.REFUSED, size=None, attempts=0, reason=NOT_RECEIVED)  # the size was not requested yet
AUDIO_OR_VIDEO = (Attachment.Kind.AUDIO, Attachment.Kind.VIDEO)


@dataclass(frozen=True)
class FetchResult:
    """The result of a fetch: a `file` to store, or a `reason` why there is none; `again` says to retry later.

    `fields` are the attachment's fields that are known now. `new_url` is a new link to try next; `error` is Meta's
    answer when Desk requested one.
    """

    file: IO[bytes] | None = None
    stored_name: str = ""
    fields: tuple[tuple[str, object], ...] = ()
    state: str = State.FAILED
    reason: str = ""
    again: bool = False
    new_url: str = ""
    error: GraphError | None = None


if TYPE_CHECKING:
    from django_stubs_ext import WithAnnotations

    class Siblings(TypedDict):
        """What `_claim` adds to an attachment: how many attachments its message has."""

        siblings: int

    ClaimedAttachment = WithAnnotations[Attachment, Siblings]


def is_elsewhere(attachment: Attachment) -> bool:
    """Return whether the file was not fetched because its address is on a host that is not Facebook's."""
    if attachment.state not in (State.REFUSED, State.FAILED) or not attachment.source_url:
        return False
    try:
        media_hosts.media_target(attachment.source_url, settings.META_MEDIA_HOSTS)
    except media_hosts.MediaHostError:
        return True
    return False


def due(what: Q = TO_FETCH) -> QuerySet[Attachment, Attachment]:
    """Return the attachments that wait for `what`, may be requested now and are not claimed.

    `what` is TO_FETCH or SIZE_UNKNOWN. Each has an index of its own: for both in one query SQLite would read the whole
    table.
    """
    return Attachment.objects.filter(FETCHES.is_due(), what).exclude(source_url="")


def is_due() -> bool:
    """Return whether any file waits to be fetched, or its size to be requested."""
    return due().exists() or due(SIZE_UNKNOWN).exists()


def fetch_files() -> int:
    """Fetch the files that are due, several at once; return how many were tried."""
    return make_calls(_claim, _fetch, _store_result, size=POOL_SIZE, max_run_s=MAX_RUN_S)


def _claim(limit: int) -> "list[ClaimedAttachment]":
    claimed: dict[int, Attachment] = {}
    for what in (TO_FETCH, SIZE_UNKNOWN):
        claimed |= {row.pk: row for row in FETCHES.claim(due(what).order_by("pk"), limit - len(claimed))}
    rows = Attachment.objects.filter(pk__in=claimed).annotate(siblings=Count("message__attachments"))
    related = rows.select_related("message__conversation__channel", "message__page")
    return [row for row in related.order_by("pk") if row.retry_after == claimed[row.pk].retry_after]


def _fetch(attachment: "ClaimedAttachment") -> FetchResult:
    """Fetch one file and check its bytes. Runs in a thread: makes no query."""
    if attachment.state == State.REFUSED:
        size = media.size_of(attachment.source_url)
        return FetchResult(state=State.REFUSED, reason=attachment.reason, fields=(("size", size),))
    began = time.monotonic()
    try:
        fetched = media.fetch(attachment.source_url, timeout_s=FETCH_TIMEOUT_S)
    except media.MediaError as refused:
        if refused.expired:
            return _request_new_link(attachment, refused.sentence, late=time.monotonic() - began > REFRESH_WITHIN_S)
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


# --- A new link -------------------------------------------------------------------------------------------------------
def _request_new_link(attachment: "ClaimedAttachment", reason: str, *, late: bool) -> FetchResult:
    """Read the message from Meta again for the new link in it. Runs in a thread: makes no query.

    `late` says that this run has no time left for the call: it is made in a later one.
    """
    message, page = attachment.message, attachment.message.page
    if not message.mid or OWN_KEY.match(message.mid) or attachment.refreshes >= MAX_REFRESHES:
        return FetchResult(reason=LINK_EXPIRED)
    if not page.is_connected or not page.page_token:
        return FetchResult(reason=NOT_CONNECTED)
    if late:
        return FetchResult(reason=reason, again=True)
    try:
        message_at_meta = conversations.read_message(message.mid, page.page_id, page.page_token)
    except GraphError as error:
        kind = error.verdict.kind
        if kind is ErrorKind.REAUTHENTICATE:
            reason = NOT_CONNECTED
        elif kind not in RETRYABLE:
            reason = LINK_EXPIRED
        return FetchResult(reason=reason, again=kind in RETRYABLE, error=error)
    url = _link_in(message_at_meta, attachment) if message_at_meta else ""
    if not url or url == attachment.source_url:
        return FetchResult(reason=LINK_EXPIRED)
    return FetchResult(reason=reason, new_url=url)


def _link_in(message: conversations.GraphMessage, attachment: "ClaimedAttachment") -> str:
    """Return the link of this file among those of its message: by path, else by name, else by position; "" if none."""
    path = urlsplit(attachment.source_url).path
    for link in message.attachments:
        if urlsplit(link.url).path == path:
            return link.url
    named = [link.url for link in message.attachments if link.name and link.name == attachment.name]
    if len(named) == 1:
        return named[0]
    files = attachment.siblings - len(pictures_in(attachment.message.card))  # they come before the pictures of cards
    if len(message.attachments) == files > attachment.position:
        return message.attachments[attachment.position].url
    return ""


def may_retry(attachment: Attachment, channel: Channel) -> bool:
    """Return whether an agent may fetch this file again: not when its type or size was refused."""
    if not channel.is_active or not attachment.source_url:
        return False
    waits_for_channel = attachment.state == State.REFUSED and attachment.reason == NOT_RECEIVED
    return attachment.state == State.FAILED or (waits_for_channel and channel.receive_audio_video)


def retry(conversation: Conversation, attachment: Attachment) -> bool:
    """Fetch the file again, from a new link if necessary; return False when that is not possible or is under way."""
    if not may_retry(attachment, conversation.channel):
        return False
    with transaction.atomic():
        given_up = Attachment.objects.filter(pk=attachment.pk, state=attachment.state)
        if not given_up.update(state=State.PENDING, reason="", attempts=0, refreshes=0, retry_after=None):
            return False
        events.messages_updated(conversation, [attachment.message_id], "attachments")
        messages.announce(conversation)
        wake.wake(JOB)
    return True


# --- The result -------------------------------------------------------------------------------------------------------
def _check(attachment: Attachment, fetched: media.FetchedFile) -> FetchResult:
    """Return the file as it is to be stored, with the fields its bytes tell. Raises FileError."""
    checked = file_rules.check_incoming(fetched.file, fetched.filename)
    if checked.kind in AUDIO_OR_VIDEO and not attachment.message.conversation.channel.receive_audio_video:
        raise file_rules.FileError(NOT_RECEIVED)
    file, stored_type = fetched.file, checked.type
    if checked.convert:
        file, stored_type = file_rules.to_png_first_frame(fetched.file), file_rules.PNG
        fetched.close()
    size = file.seek(0, 2)
    is_sticker = attachment.kind == Attachment.Kind.STICKER and checked.kind == "image"
    fields: dict[str, object] = {
        "kind": Attachment.Kind.STICKER if is_sticker else checked.kind,
        "name": checked.name,
        "content_type": stored_type.content_type,
        "size": size,
    }
    if checked.kind == "image":
        fields["width"], fields["height"] = _dimensions(file)
    file.seek(0)
    return FetchResult(file, file_rules.stored_name(stored_type), tuple(fields.items()))


def _dimensions(file: IO[bytes]) -> tuple[int | None, int | None]:
    """Return width and height in pixels from the image's header, or None and None when it cannot be read."""
    file.seek(0)
    try:
        with Image.open(file, formats=["JPEG", "PNG"]) as image:
            return image.size
    except Exception:  # Pillow raises nearly anything on damaged input; the file is stored unchanged
        return None, None


def _store_result(attachment: Attachment, result: FetchResult) -> None:
    """Write the result to the row, if our claim is still valid; otherwise delete the file again."""
    claimed = FETCHES.held(attachment).filter(state=attachment.state)
    fields = dict(result.fields)
    fields |= {"retry_after": None, "reason": result.reason}
    stored_name = None
    if result.error is not None:
        page = attachment.message.page
        page_errors.record(page, result.error, Call.BACKGROUND, token=page.page_token)
    try:
        if result.file is not None:
            stored_name = _save_file(attachment, result.file, result.stored_name)
            fields |= {"state": State.STORED, "file": stored_name}
        elif result.new_url:
            fields |= {"source_url": result.new_url, "refreshes": attachment.refreshes + 1}
        elif result.again and (pause := delay_after(attachment.attempts)):
            fields["retry_after"] = timezone.now() + pause
        else:
            fields["state"] = result.state
        with transaction.atomic():
            updated = claimed.update(**fields)
            if updated and "state" in fields and not attachment.message.is_imported:
                events.messages_updated(attachment.message.conversation, [attachment.message_id], "attachments")
            if updated:
                messages.announce(attachment.message.conversation)
    except BaseException:
        updated = 0
        raise
    finally:
        if result.file is not None:
            result.file.close()
        if stored_name and not updated:
            attachment.file.storage.delete(stored_name)


def _save_file(attachment: Attachment, file: IO[bytes], name: str) -> str:
    """Write the file to the storage under a name that contains nothing from the sender; return that name."""
    field = attachment.file
    path = field.field.generate_filename(attachment, name)
    return field.storage.save(path, File(file), max_length=field.field.max_length)

"""Files that customers sent: fetched from Meta after the message, checked by their bytes, stored or refused with words.

Rows wait as attachments in the state `pending`; whatever happens to a file, the message is there already.
"""

import logging
import time
import uuid
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import timedelta
from typing import IO

from django.conf import settings
from django.core.files import File
from django.db import transaction
from django.db.models import F, Q, QuerySet
from django.utils import timezone
from PIL import Image

from channels_im.messenger import files as file_rules
from channels_im.messenger import media
from desk.nudge import nudge
from desk.retries import pause_after
from tickets.models import Attachment
from tickets.services import events, threads

logger = logging.getLogger(__name__)

TASK = "tickets.tasks.fetch_files"
AT_ONCE = 4
# Together below the time-out of a task (Q_CLUSTER) and below DESK_CLAIM_SECONDS.
LONGEST_RUN_S = 10
FETCH_TIMEOUT_S = 40.0

NOT_RECEIVED = "Audio and video from Messenger are not received by this channel. An administrator can turn that on."
BROKEN = "Desk could not read this file. Look at it in the Page inbox on Facebook."
State = Attachment.State
LOUD = (Attachment.Kind.AUDIO, Attachment.Kind.VIDEO)


@dataclass(frozen=True)
class Found:
    """What the network gave: a `file` to keep with its `fields`, or a `reason` why not, which may pass (`again`)."""

    file: IO[bytes] | None = None
    stored_name: str = ""
    fields: tuple[tuple[str, object], ...] = ()
    state: str = State.FAILED
    reason: str = ""
    again: bool = False


def due() -> QuerySet[Attachment, Attachment]:
    """Return the attachments that wait to be fetched, may be now, and are in nobody's hands."""
    now = timezone.now()
    stale = now - timedelta(seconds=settings.DESK_CLAIM_SECONDS)
    return Attachment.objects.filter(
        Q(retry_after=None) | Q(retry_after__lte=now),
        Q(claimed_at=None) | Q(claimed_at__lt=stale),
        state=State.PENDING,
    ).exclude(source_url="")


def is_due() -> bool:
    """Say whether any file waits to be fetched."""
    return due().exists()


def fetch_files() -> int:
    """Fetch what is due, several at once; return how many files were tried. Stops after a while, nudging itself."""
    began, count = time.monotonic(), 0
    with ThreadPoolExecutor(AT_ONCE) as pool:
        while claimed := _claim(AT_ONCE):
            for attachment, found in zip(claimed, pool.map(_fetch, claimed), strict=True):
                _keep(attachment, found)
            count += len(claimed)
            if time.monotonic() - began > LONGEST_RUN_S:
                nudge(TASK)
                break
    return count


def _claim(limit: int) -> list[Attachment]:
    token = uuid.uuid4().hex
    ids = list(due().order_by("pk").values_list("pk", flat=True)[:limit])
    claimed = []
    for pk in ids:
        taken = due().filter(pk=pk).values("pk")
        if Attachment.objects.filter(pk__in=taken).update(
            claimed_at=timezone.now(), claimed_by=token, attempts=F("attempts") + 1
        ):
            claimed.append(pk)
    rows = Attachment.objects.filter(pk__in=claimed, claimed_by=token)
    return list(rows.select_related("message__conversation__channel").order_by("pk"))


def _fetch(attachment: Attachment) -> Found:
    """Fetch one file and look at its bytes. Runs in a thread: no database here."""
    try:
        fetched = media.fetch(attachment.source_url, timeout_s=FETCH_TIMEOUT_S)
    except media.MediaRefused as refused:
        state = State.REFUSED if refused.too_big else State.FAILED
        return Found(state=state, reason=refused.reason, again=refused.transient)
    try:
        return _check(attachment, fetched)
    except file_rules.FileRefused as refused:
        fetched.close()
        return Found(state=State.REFUSED, reason=refused.sentence)
    except Exception:
        fetched.close()
        logger.exception("Attachment %s could not be read", attachment.pk)
        return Found(reason=BROKEN)


def _check(attachment: Attachment, fetched: media.FetchedFile) -> Found:
    checked = file_rules.check_incoming(fetched.file, fetched.filename)
    if checked.kind in LOUD and not attachment.message.conversation.channel.receive_audio_video:
        raise file_rules.FileRefused(NOT_RECEIVED)
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
    return Found(file, file_rules.stored_name(kept_as), tuple(fields.items()))


def _pixels(file: IO[bytes]) -> tuple[int | None, int | None]:
    """Return width and height from the image's header, or None where it does not say."""
    file.seek(0)
    try:
        with Image.open(file, formats=["JPEG", "PNG"]) as image:
            return image.size
    except Exception:  # Pillow raises nearly anything on damaged input; the file is kept as it came
        return None, None


def _keep(attachment: Attachment, found: Found) -> None:
    """Write what was found, if the row is still ours; a file that found no row is thrown away."""
    held = Attachment.objects.filter(pk=attachment.pk, claimed_by=attachment.claimed_by, state=State.PENDING)
    fields: dict[str, object] = {"claimed_at": None, "claimed_by": "", "retry_after": None, "reason": found.reason}
    stored = None
    try:
        if found.file is not None:
            stored = _store(attachment, found)
            fields |= dict(found.fields) | {"state": State.STORED, "file": stored}
        elif found.again and (pause := pause_after(attachment.attempts)):
            fields["retry_after"] = timezone.now() + pause
        else:
            fields["state"] = found.state
        with transaction.atomic():
            kept = held.update(**fields)
            if kept and "state" in fields:
                events.messages_updated(attachment.message.conversation, [attachment.message_id], "attachments")
            if kept:
                threads.announce(attachment.message.conversation)
    except BaseException:
        kept = 0
        raise
    finally:
        if found.file is not None:
            found.file.close()
        if stored and not kept:
            attachment.file.storage.delete(stored)


def _store(attachment: Attachment, found: Found) -> str:
    """Write the file to the storage under a name that owes nothing to the sender; return that name."""
    assert found.file is not None  # noqa: S101 - asked before
    field = attachment.file
    name = field.field.generate_filename(attachment, found.stored_name)
    return field.storage.save(name, File(found.file), max_length=field.field.max_length)

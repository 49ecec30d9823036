"""Fetch name and picture of contacts after their first message. Contacts wait in `profile_state`."""

import logging
from dataclasses import dataclass
from datetime import datetime

from django.core.files.base import ContentFile
from django.db import transaction
from django.db.models import QuerySet
from django.utils import timezone

from channels_im.messenger import files as file_rules
from channels_im.messenger import media
from channels_im.messenger.errors import GraphError
from channels_im.messenger.profile import Profile, fetch_profile
from channels_im.models import Page
from channels_im.services.facebook import page_errors
from channels_im.services.facebook.page_errors import Call
from desk.backoff import delay_after
from desk.call_pool import make_calls
from desk.claims import DueTimes
from desk.storage import undone_on_failure
from tickets.models import Contact, Conversation
from tickets.services.conversation import messages

logger = logging.getLogger(__name__)

JOB = "profiles"
POOL_SIZE = 8
MAX_RUN_S = 120
MAX_PICTURE_BYTES = 5 * file_rules.MB
PICTURE_TIMEOUT_S = 10.0

ProfileState = Contact.ProfileState
FETCHES = DueTimes(Contact, "profile_retry_after", "profile_attempts")


@dataclass(frozen=True)
class ProfileResult:
    """The result of fetching one profile. `again` says that a later try may get more."""

    profile: Profile | None = None
    picture: "ContentFile[bytes] | None" = None
    error: GraphError | None = None
    again: bool = False


def due() -> QuerySet[Contact, Contact]:
    """Return the contacts whose profile can be requested now: their Page is connected and not rate limited."""
    return Contact.objects.filter(
        FETCHES.is_due(),
        page_errors.background_allowed("page__"),
        profile_state=ProfileState.PENDING,
        erased_at=None,
        page__connection=Page.Connection.CONNECTED,
        page__page_token__isnull=False,
    )


def is_due() -> bool:
    """Return whether any profile waits to be fetched."""
    return due().exists()


def fetch_profiles() -> int:
    """Fetch the profiles that are due, several at once; return how many were tried."""
    return make_calls(_claim, _fetch, _store_result, size=POOL_SIZE, max_run_s=MAX_RUN_S)


def _claim(limit: int) -> list[Contact]:
    return FETCHES.claim(due().select_related("page").order_by("profile_retry_after", "pk"), limit)


def _fetch(contact: Contact) -> ProfileResult:
    """Request the profile from Meta, then fetch the picture. Runs in a thread: makes no query."""
    try:
        profile = fetch_profile(contact.psid, contact.page.page_token or "")
    except GraphError as error:
        return ProfileResult(error=error)
    except Exception:
        logger.exception("The profile of contact %s could not be read", contact.pk)
        return ProfileResult(again=True)
    if not profile.picture_url:
        return ProfileResult(profile)
    try:
        return ProfileResult(profile, _fetch_picture(profile.picture_url))
    except media.MediaError as refused:
        return ProfileResult(profile, again=refused.transient)
    except file_rules.FileError:
        return ProfileResult(profile)


def _fetch_picture(url: str) -> "ContentFile[bytes]":
    fetched = media.fetch(url, max_bytes=MAX_PICTURE_BYTES, timeout_s=PICTURE_TIMEOUT_S)
    try:
        checked = file_rules.check_incoming(fetched.file, fetched.filename, limit=MAX_PICTURE_BYTES)
        if checked.kind != "image":
            raise file_rules.FileError("The profile picture is not an image.")  # English only: nobody reads it
        file = file_rules.to_png_first_frame(fetched.file) if checked.convert else fetched.file
        file.seek(0)
        name = file_rules.stored_name(file_rules.PNG if checked.convert else checked.type)
        return ContentFile(file.read(), name=name)
    finally:
        fetched.close()


def _store_result(contact: Contact, result: ProfileResult) -> None:
    """Write the result to the contact, unless it was erased or claimed by another worker meanwhile."""
    if result.error is not None:
        page_errors.record(contact.page, result.error, Call.BACKGROUND, token=contact.page.page_token)
    new_picture = unused = ""
    with undone_on_failure():
        if result.picture is not None:  # before the lock: the storage may be a service on the network
            contact.picture.save(str(result.picture.name), result.picture, save=False)
            new_picture = unused = contact.picture.name or ""
        with transaction.atomic():
            row = FETCHES.held(contact).select_for_update().filter(erased_at=None).first()
            if row is not None:
                unused = _write(row, result, new_picture)
    if unused:
        contact.picture.storage.delete(unused)


def _write(row: Contact, result: ProfileResult, new_picture: str) -> str:
    """Write the result to the locked row; return the name of the picture that it had, if there is a new one."""
    if result.profile is not None and result.profile.name:
        row.name = result.profile.name
    old_picture = (row.picture.name or "") if new_picture else ""
    if new_picture:
        row.picture = new_picture
    row.profile_state, row.profile_retry_after = _next_state(row, result)
    row.save(update_fields=["name", "picture", "profile_state", "profile_retry_after"])
    for conversation in Conversation.objects.filter(contact=row):
        messages.announce(conversation)
    return old_picture


def _next_state(row: Contact, result: ProfileResult) -> tuple[str, datetime | None]:
    """Return the new state and the time of the next try, or None when there is none."""
    again = result.again or (result.error is not None)
    if not again:
        known = result.profile is not None and (result.profile.name or result.picture)
        return (ProfileState.FETCHED if known else ProfileState.REFUSED), None
    pause = delay_after(row.profile_attempts)
    if pause is None:
        return (ProfileState.FETCHED if row.name else ProfileState.FAILED), None
    return ProfileState.PENDING, timezone.now() + pause

"""Name and picture of a contact, fetched after the message and allowed to fail alone. Rows wait in `profile_state`."""

import logging
from dataclasses import dataclass
from datetime import timedelta

from django.conf import settings
from django.core.files.base import ContentFile
from django.db import transaction
from django.db.models import F, Q, QuerySet
from django.utils import timezone

from channels_im.messenger import files as file_rules
from channels_im.messenger import media
from channels_im.messenger.errors import ErrorKind, GraphError
from channels_im.messenger.profile import Profile, fetch_profile
from channels_im.models import Page
from channels_im.services.facebook import connection
from desk.backoff import delay_after
from tickets.models import Contact, Conversation
from tickets.services.conversation import messages
from tickets.services.incoming.fetch_pool import fetch_all

logger = logging.getLogger(__name__)

TASK = "tickets.tasks.fetch_profiles"
AT_ONCE = 8
LONGEST_RUN_S = 20
MAX_PICTURE_BYTES = 5 * file_rules.MB
PICTURE_TIMEOUT_S = 10.0
LIMITED_FOR = timedelta(minutes=5)  # when Meta limits the rate and does not say for how long

ProfileState = Contact.ProfileState


@dataclass(frozen=True)
class ProfileResult:
    """What the network gave for one contact. `again`: something may be had later."""

    profile: Profile | None = None
    picture: ContentFile | None = None
    error: GraphError | None = None
    again: bool = False


def due() -> QuerySet[Contact, Contact]:
    """Return the contacts whose profile can be asked for now: their Page is connected and not limited."""
    now = timezone.now()
    return Contact.objects.filter(
        Q(profile_retry_after=None) | Q(profile_retry_after__lte=now),
        Q(page__rate_limited_until=None) | Q(page__rate_limited_until__lte=now),
        profile_state=ProfileState.PENDING,
        erased_at=None,
        page__connection=Page.Connection.CONNECTED,
        page__page_token__isnull=False,
    )


def is_due() -> bool:
    """Say whether any profile waits to be fetched."""
    return due().exists()


def fetch_profiles() -> int:
    """Fetch what is due, several at once; return how many contacts were tried. Stops after a while, nudging itself."""
    return fetch_all(_claim, _ask, _keep, at_once=AT_ONCE, longest_run_s=LONGEST_RUN_S, task=TASK)


def _claim(limit: int) -> list[Contact]:
    """Claim by moving the due time beyond what a fetch can take: a worker that dies leaves nothing to clean up."""
    until = timezone.now() + timedelta(seconds=settings.DESK_CLAIM_SECONDS)
    claimed = []
    for contact in due().select_related("page").order_by("profile_retry_after", "pk")[:limit]:
        taken = Contact.objects.filter(
            pk=contact.pk, profile_state=ProfileState.PENDING, profile_attempts=contact.profile_attempts
        ).update(profile_attempts=F("profile_attempts") + 1, profile_retry_after=until)
        if taken:
            contact.profile_attempts += 1
            claimed.append(contact)
    return claimed


def _ask(contact: Contact) -> ProfileResult:
    """Ask Meta for the profile, then fetch the picture. Runs in a thread: no database here."""
    try:
        profile = fetch_profile(contact.psid, contact.page.page_token)
    except GraphError as error:
        return ProfileResult(error=error)
    except Exception:
        logger.exception("The profile of contact %s could not be read", contact.pk)
        return ProfileResult(again=True)
    if not profile.picture_url:
        return ProfileResult(profile)
    try:
        return ProfileResult(profile, _picture(profile.picture_url))
    except media.MediaError as refused:
        return ProfileResult(profile, again=refused.transient)
    except file_rules.FileError:
        return ProfileResult(profile)


def _picture(url: str) -> ContentFile:
    fetched = media.fetch(url, max_bytes=MAX_PICTURE_BYTES, timeout_s=PICTURE_TIMEOUT_S)
    try:
        checked = file_rules.check_incoming(fetched.file, fetched.filename, limit=MAX_PICTURE_BYTES)
        if checked.kind != "image":
            raise file_rules.FileError("The profile picture is not an image.")
        file = file_rules.to_png_first_frame(fetched.file) if checked.convert else fetched.file
        file.seek(0)
        name = file_rules.stored_name(file_rules.PNG if checked.convert else checked.type)
        return ContentFile(file.read(), name=name)
    finally:
        fetched.close()


def _keep(contact: Contact, found: ProfileResult) -> None:
    """Write what was found, unless the contact was erased or taken by another worker meanwhile."""
    if found.error is not None:
        note_trouble(contact.page, found.error)
    old_picture = None
    with transaction.atomic():
        row = Contact.objects.select_for_update().get(pk=contact.pk)
        if row.erased_at or row.profile_attempts != contact.profile_attempts:
            return
        if found.profile is not None and found.profile.name:
            row.name = found.profile.name[:200]
        if found.picture is not None:
            old_picture = row.picture.name
            row.picture.save(found.picture.name, found.picture, save=False)
        row.profile_state, row.profile_retry_after = _outcome(row, found)
        row.save(update_fields=["name", "picture", "profile_state", "profile_retry_after"])
        for conversation in Conversation.objects.filter(contact=row):
            messages.announce(conversation)
    if old_picture:
        row.picture.storage.delete(old_picture)


def _outcome(row: Contact, found: ProfileResult) -> tuple[str, object]:
    """Return the state and, when the contact is to be asked for again, the time."""
    again = found.again or (found.error is not None)
    if not again:
        known = found.profile is not None and (found.profile.name or found.picture)
        return (ProfileState.FETCHED if known else ProfileState.REFUSED), None
    pause = delay_after(row.profile_attempts)
    if pause is None:
        return (ProfileState.FETCHED if row.name else ProfileState.FAILED), None
    return ProfileState.PENDING, timezone.now() + pause


def note_trouble(page: Page, error: GraphError) -> None:
    """Act on what an error says of the Page, not of this person."""
    verdict = error.verdict
    if verdict.kind is ErrorKind.REAUTHENTICATE:
        connection.require_reauth(page, verdict.reason, Page.DetectedBy.CHECK, token=page.page_token)
    elif verdict.kind is ErrorKind.RATE_LIMITED:
        wait = timedelta(seconds=error.retry_after_s) if error.retry_after_s else LIMITED_FOR
        connection.limit_rate(page, wait)

"""Invite people: a link with which a new user chooses their own password, once and for a few days.

An invited user is not active until then. Only a digest of the token is stored, so the link is known to its reader only.
"""

import hashlib
import secrets
from datetime import datetime, timedelta

from django.conf import settings
from django.db import transaction
from django.urls import reverse
from django.utils import timezone

from desk import audit_log, letters, mail
from desk.accounts import letters as account_letters
from desk.accounts import mails
from desk.errors import Refused
from desk.languages import spoken_by
from desk.models import Invitation, User
from desk.sentences import sentence

VALID_FOR = timedelta(days=7)


def send(by: User, user: User) -> str:
    """Invite `user`, who has no password yet, and let the worker send the link; return the link.

    A link that was sent before stops working. Raises Refused when they have accepted meanwhile.
    """
    token = secrets.token_urlsafe(32)
    with transaction.atomic():
        if User.objects.select_for_update(no_key=True).get(pk=user.pk).is_active:
            raise Refused(_accepted(user))
        values = {"digest": _digest(token), "sent_at": timezone.now()}
        _invitation, is_first = Invitation.objects.update_or_create(user=user, defaults=values)
        what = sentence("Invited.") if is_first else sentence("Invited again: the earlier link no longer works.")
        audit_log.record(by, user, audit_log.CHANGE, what)
        link = settings.PUBLIC_URL + reverse("invitation", args=[token])
        if user.email and not mail.problem():
            letter = account_letters.invitation(user, by, link, VALID_FOR.days)
            with spoken_by(user):
                mails.queue(letters.render(letter), user.email)
    return link


def ends_at(invitation: Invitation) -> datetime:
    """Return when the link stops working."""
    return invitation.sent_at + VALID_FOR


def has_expired(invitation: Invitation) -> bool:
    """Return whether the link no longer works."""
    return timezone.now() >= ends_at(invitation)


def find(token: str) -> Invitation | None:
    """Return the invitation whose link has this token; None when it was used, replaced or revoked, or has expired."""
    found = Invitation.objects.select_related("user").filter(digest=_digest(token)).first()
    return None if found is None or has_expired(found) else found


def accept(token: str, password: str) -> User | None:
    """Set the password of the invited user and activate them; return None when the link no longer works."""
    invitation = find(token)
    if invitation is None:
        return None
    with transaction.atomic():
        user = User.objects.select_for_update(no_key=True).get(pk=invitation.user_id)
        found = Invitation.objects.filter(digest=_digest(token)).first()  # it may have been replaced meanwhile
        if found is None or user.is_active:
            return None
        user.set_password(password)
        user.is_active = True
        user.save(update_fields=["password", "is_active"])
        found.delete()
        audit_log.record(user, user, audit_log.Action.PASSWORD, sentence("Invitation accepted: password set."))
    return user


def expire(user: User) -> None:
    """End the link of an invited user at once: it went to a wrong address, or for other rights. They stay invited."""
    ended = timezone.now() - VALID_FOR
    Invitation.objects.filter(user=user).update(sent_at=ended, digest=_digest(secrets.token_urlsafe(32)))


def revoke(by: User, invitation: Invitation) -> None:
    """Delete the invitation and its user, who has never logged in. Raises Refused when they have accepted meanwhile."""
    with transaction.atomic():
        user = User.objects.select_for_update(no_key=True).filter(pk=invitation.user_id).first()
        found = Invitation.objects.filter(user=user).first()
        if user is None or found is None:
            return
        if user.is_active or user.last_login is not None:
            raise Refused(_accepted(user))
        audit_log.record(by, found.user, audit_log.DELETION, sentence("Invitation revoked."))
        found.user.delete()


def _accepted(user: User) -> str:
    return sentence("%(user)s has accepted the invitation. Deactivate them instead.", user=user)


def _digest(token: str) -> str:
    return hashlib.sha256(token.encode("utf-8", "replace")).hexdigest()

"""Check a Page's token with Meta: `debug_token` decides, not arithmetic (Meta, "Debug token")."""

from dataclasses import dataclass

from django.utils import timezone

from channels_im.messenger import oauth
from channels_im.messenger.errors import GraphError
from channels_im.messenger.oauth import TokenInfo
from channels_im.models import Page
from channels_im.services.facebook import connection
from desk import letters
from desk.errors import Refused
from desk.sentences import sentence

#: Kinds of `Page.trouble` that only this module notes and clears.
APP_REFUSED, DATA_ACCESS = "app_refused", "data_access"

APP_REFUSED_SENTENCE = sentence(
    "Facebook does not accept Desk's Meta app for this Page: META_APP_ID and META_APP_SECRET do not belong together, "
    "or the Page was linked with another app. Correct the settings and restart Desk; with a new app, re-authenticate."
)


class MetaAppError(Refused):
    """Meta refused the app itself, so nothing is known about the Page's token."""


@dataclass(frozen=True)
class Loss:
    """Why a Page's token does not work any more: a Page.Reason, and a sentence for administrators."""

    reason: str
    sentence: str


def examine(page: Page, token: str) -> tuple[TokenInfo, Loss | None]:
    """Ask Meta about `token`, the Page's own, and note or clear the troubles that go with it.

    Raises MetaAppError, and GraphError when Meta cannot be asked now; neither says anything about the Page.
    """
    try:
        info = oauth.debug_token(token)
    except GraphError as error:
        if error.verdict.retry or error.verdict.outcome_unknown:
            raise
        # The call is made with the app's own token, so a refusal is about the app.
        raise _app_refused(page) from error
    verdict = info.verdict
    if (verdict is None and not info.is_ours) or (verdict is not None and verdict.reason is None):
        raise _app_refused(page)
    connection.clear_trouble(page, APP_REFUSED)
    _note_data_access(page, info)
    return info, _loss(page, info)


def _loss(page: Page, info: TokenInfo) -> Loss | None:
    verdict = info.verdict
    if verdict is not None and verdict.reason is not None:  # `examine` leaves no verdict without a reason
        is_over = info.expires_at is not None and info.expires_at <= timezone.now()
        if is_over and not info.error_subcode:
            return Loss(
                Page.Reason.TOKEN_EXPIRED, sentence("Access to the Page has expired. Re-authenticate the Page.")
            )
        return Loss(verdict.reason, verdict.sentence)
    if info.profile_id not in (None, page.page_id):
        return Loss(Page.Reason.PERMISSION_REVOKED, sentence("The stored token belongs to another Page."))
    # An answer that lists no permission at all does not prove that they are gone.
    missing = info.missing_scopes(page.page_id) if info.scopes else ()
    if missing:
        names = ", ".join(missing)
        text = (
            sentence("This permission is missing for this Page: %(names)s.", names=names)
            if len(missing) == 1
            else sentence("These permissions are missing for this Page: %(names)s.", names=names)
        )
        return Loss(Page.Reason.PERMISSION_REVOKED, text)
    return None


def _note_data_access(page: Page, info: TokenInfo) -> None:
    """Note expired data access as a warning: Meta says that it does not end for the permissions of Pages."""
    ended = info.data_access_expires_at
    if info.is_valid and ended is not None and ended <= timezone.now():
        note = sentence(
            "Facebook's data access of whoever linked this Page ended on %(day)s. The Page works; re-authenticate it "
            "to renew the access.",
            day=letters.day(ended),
        )
        connection.note_trouble(page, DATA_ACCESS, note)
    else:
        connection.clear_trouble(page, DATA_ACCESS)


def _app_refused(page: Page) -> MetaAppError:
    connection.note_trouble(page, APP_REFUSED, APP_REFUSED_SENTENCE)
    return MetaAppError(APP_REFUSED_SENTENCE)

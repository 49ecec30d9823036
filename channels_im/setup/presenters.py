"""Prepare what the cards and lists of Setup show about channels and Pages, so that templates run no queries."""

from dataclasses import dataclass
from datetime import datetime, timedelta

from django.db.models import Count, Prefetch, QuerySet
from django.utils import timezone

from channels_im.messenger import pages
from channels_im.models import Channel, FacebookAccount, Page
from channels_im.services.channels import page_obstacle
from channels_im.services.facebook.connection import HEALED_BY
from desk.models import User

WARN_BEFORE = timedelta(days=14)
# Titles of the end-to-end check.
ACCESS_TICK = "Facebook accepts the access to this Page"
SUBSCRIPTION_TICK = "Facebook sends this Page's events to Desk"
FIELDS_TICK = "All message events are on"


@dataclass(frozen=True)
class Chip:
    """The state of a connection in a few words; `level` is success, warning, danger or "" (quiet)."""

    text: str
    level: str


@dataclass(frozen=True)
class Tick:
    """One line of the end-to-end check: `state` is ok, wrong or waiting."""

    title: str
    state: str
    detail: str = ""


@dataclass(frozen=True)
class PageChoice:
    """A Page in Add Channel; `obstacle` says why it cannot be selected, or is ""."""

    page: Page
    obstacle: str


def channels() -> QuerySet[Channel, Channel]:
    """Return the channels that are not deleted, with everything that a card shows."""
    return (
        Channel.objects.existing()
        .select_related("page__facebook_account", "department")
        .annotate(agent_count=Count("associations", distinct=True))
    )


def page_choices(user: User) -> list[PageChoice]:
    """Return every linked Page, those that can be selected first."""
    existing = Prefetch("channels", Channel.objects.existing())
    rows = Page.objects.select_related("facebook_account__linked_by").prefetch_related(existing)
    choices = [PageChoice(page, page_obstacle(page, user)) for page in rows]
    return sorted(choices, key=lambda choice: bool(choice.obstacle))


def chip(channel: Channel, now: datetime | None = None) -> Chip:
    """Return the connection chip: connected, login ends in n days, or re-authenticate with the reason."""
    page, now = channel.page, now or timezone.now()
    if not page.is_connected:
        return Chip(f"Re-authenticate: {lower_first(page.get_reauth_reason_display())}", "danger")
    if not channel.is_active:
        return Chip("Deactivated", "")
    if page.trouble:
        return Chip("Connected, with a problem", "warning")
    if _is_first_check_open(page) and page.subscription != Page.Subscription.SUBSCRIBED:
        return Chip("Connected · checking …", "")  # just activated: nothing is known to be wrong
    if page.subscription in (Page.Subscription.UNSUBSCRIBED, Page.Subscription.INCOMPLETE) or page.subscription_error:
        return Chip("Not receiving all events", "warning")
    left = days_left(page.facebook_account, now)
    if left is not None and left <= WARN_BEFORE.days:
        return Chip(f"Connected · login {login_end(page.facebook_account, now)}", "warning")
    return Chip("Connected", "success")


def ticks(page: Page) -> list[Tick]:
    """Return the end-to-end check: token, subscription and its fields. Only what Meta confirmed is ticked."""
    error = page.subscription_error
    if _is_first_check_open(page):
        return [Tick(title, "waiting", "Checking …") for title in (ACCESS_TICK, SUBSCRIPTION_TICK, FIELDS_TICK)]
    missing = sorted(set(pages.SUBSCRIBED_FIELDS) - set(page.subscribed_fields))
    subscribed = page.subscription in (Page.Subscription.SUBSCRIBED, Page.Subscription.INCOMPLETE)
    token_ok = page.is_connected and page.checked_at is not None
    if page.reauth_reason == Page.Reason.APP_REMOVED:
        return [
            Tick(ACCESS_TICK, "wrong", healing(page)),
            Tick(SUBSCRIPTION_TICK, "wrong", "Facebook stops sending when the app is removed."),
            Tick(FIELDS_TICK, "waiting", "Checked when the Page is re-authenticated."),
        ]
    return [
        Tick(
            ACCESS_TICK,
            "ok" if token_ok else "wrong",
            _ends(page) if token_ok else healing(page) or error or "Not checked yet.",
        ),
        Tick(
            SUBSCRIPTION_TICK,
            "ok" if subscribed and not error else "wrong",
            error if error else ("" if subscribed else "Facebook does not send this Page's messages."),
        ),
        Tick(
            FIELDS_TICK,
            "ok" if subscribed and not missing else "wrong",
            f"{len(pages.SUBSCRIBED_FIELDS)} of {len(pages.SUBSCRIBED_FIELDS)} fields"
            if subscribed and not missing
            else f"Missing: {', '.join(missing)}.",
        ),
    ]


def _is_first_check_open(page: Page) -> bool:
    return page.subscription_due_at is not None and page.subscription_attempts <= 1 and not page.subscription_error


def is_checking(page: Page) -> bool:
    """Return whether a check is still to run."""
    return page.subscription_due_at is not None


def troubles(page: Page) -> list[str]:
    """Return what is wrong with the Page besides its connection, in sentences."""
    return [note.get("sentence", "") for note in page.trouble.values()]


def healing(page: Page) -> str:
    """Return why the Page must be re-authenticated and what to do, or ""."""
    if page.is_connected:
        return ""
    reason = Page.Reason(page.reauth_reason)
    who = f" It is the account of {page.facebook_account}." if page.facebook_account else ""
    return f"{reason.label}. {HEALED_BY[reason]}{who if reason == Page.Reason.APP_REMOVED else ''}"


def days_left(account: FacebookAccount | None, now: datetime | None = None) -> int | None:
    """Return the whole days until the Facebook login ends, None when it does not; never below 0."""
    if account is None or account.expires_at is None:
        return None
    return max(0, (account.expires_at - (now or timezone.now())).days)


def in_days(days: int) -> str:
    """Return "today", "tomorrow" or "in 3 days"."""
    return {0: "today", 1: "tomorrow"}.get(days, f"in {days} days")


def login_end(account: FacebookAccount | None, now: datetime | None = None) -> str:
    """Return "does not expire", "ends in 3 days" or "ended on 4 May 2026"."""
    now = now or timezone.now()
    left = days_left(account, now)
    if account is None or account.expires_at is None or left is None:
        return "does not expire"
    return f"ended on {account.expires_at:%-d %B %Y}" if account.expires_at <= now else f"ends {in_days(left)}"


def lower_first(text: str) -> str:
    """Return the text with a lower-case first letter, unless it begins with Facebook."""
    return text if text.startswith("Facebook") else text[:1].lower() + text[1:]


def _ends(page: Page) -> str:
    expires = page.token_expires_at
    access = "Page access does not expire." if expires is None else f"Page access expires on {expires:%-d %B %Y}."
    left = days_left(page.facebook_account)
    if not left:
        return f"{access} The Facebook login {login_end(page.facebook_account)}."
    return f"{access} Facebook login: {left} day{'' if left == 1 else 's'} left."

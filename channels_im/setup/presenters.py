"""Prepare what the cards and lists of Setup show about channels and Pages, so that templates run no queries."""

from dataclasses import dataclass
from datetime import datetime, timedelta

from django.conf import settings
from django.db.models import Count, Prefetch, QuerySet
from django.utils import timezone
from django.utils.formats import date_format
from django.utils.translation import gettext, ngettext, pgettext

from channels_im.models import Channel, FacebookAccount, Page
from channels_im.services.channels import page_obstacle
from channels_im.services.facebook.connection import HEALED_BY
from desk.languages import translated
from desk.models import User

WARN_BEFORE = timedelta(days=14)


@dataclass(frozen=True)
class Chip:
    """The state of a connection in a few words; `level` is success, warning, danger or "" (quiet)."""

    text: str
    level: str


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
        return Chip(gettext("Re-authenticate: %(reason)s") % {"reason": reauth_reason(page)}, "danger")
    if not channel.is_active:
        return Chip(pgettext("a channel", "Deactivated"), "")
    if page.trouble:
        return Chip(gettext("Connected, with a problem"), "warning")
    if is_first_check_open(page) and page.subscription != Page.Subscription.SUBSCRIBED:
        return Chip(gettext("Connected · checking …"), "")  # just activated: nothing is known to be wrong
    if is_receiving_too_little(page):
        return Chip(gettext("Not receiving all events"), "warning")
    if page.subscription_error:
        return Chip(gettext("Connected · the last check failed"), "warning")
    if page.subscription == Page.Subscription.UNKNOWN:
        return Chip(gettext("Not checked yet"), "")
    left = days_left(page.facebook_account, now)
    if left is not None and left <= WARN_BEFORE.days:
        return Chip(_connected_for(page.facebook_account, left, now), "warning")
    return Chip(gettext("Connected"), "success")


def _connected_for(account: FacebookAccount | None, left: int, now: datetime) -> str:
    if account is not None and account.expires_at is not None and account.expires_at <= now:
        return gettext("Connected · login ended on %(day)s") % {"day": day(account.expires_at)}
    if left == 0:
        return gettext("Connected · login ends today")
    if left == 1:
        return gettext("Connected · login ends tomorrow")
    text = ngettext("Connected · login ends in %(days)s day", "Connected · login ends in %(days)s days", left)
    return text % {"days": left}


def is_first_check_open(page: Page) -> bool:
    """Return whether the first check since it was requested is still to run, so that nothing is known to be wrong."""
    return page.subscription_due_at is not None and page.subscription_attempts <= 1 and not page.subscription_error


def is_receiving_too_little(page: Page) -> bool:
    """Return whether Meta has said that it does not send all events of the Page."""
    return page.subscription in (Page.Subscription.UNSUBSCRIBED, Page.Subscription.INCOMPLETE)


def is_checking(page: Page) -> bool:
    """Return whether a check is still to run."""
    return page.subscription_due_at is not None


def is_check_near(page: Page, now: datetime | None = None) -> bool:
    """Return whether a check is due or at work, so that the page should show its result soon.

    Not one that is tried again later, nor one that no worker has begun for a while.
    """
    due_at = page.subscription_due_at
    claim = timedelta(seconds=settings.DESK_CLAIM_SECONDS)
    return due_at is not None and abs(due_at - (now or timezone.now())) <= claim


def troubles(page: Page) -> list[str]:
    """Return what is wrong with the Page besides its connection, in sentences."""
    return [translated(note.get("sentence", "")) for note in page.trouble.values()]


def healing(page: Page) -> str:
    """Return why the Page must be re-authenticated and what to do, or ""."""
    if page.is_connected:
        return ""
    return f"{translated(Page.Reason(page.reauth_reason).label)}. {healed_by(page)}"


def reauth_reason(page: Page) -> str:
    """Return why the Page must be re-authenticated, for the end of a sentence."""
    return lower_first(translated(page.get_reauth_reason_display()))


def healed_by(page: Page) -> str:
    """Return what restores the connection of a Page that must be re-authenticated, as a sentence."""
    reason = Page.Reason(page.reauth_reason)
    is_owned = reason == Page.Reason.APP_REMOVED and page.facebook_account
    healed = translated(HEALED_BY[reason])
    if not is_owned:
        return healed
    owner = gettext("It is the account of %(account)s.") % {"account": page.facebook_account}
    return f"{healed} {owner}"


def days_left(account: FacebookAccount | None, now: datetime | None = None) -> int | None:
    """Return the whole days until the Facebook login ends, None when it does not; never below 0."""
    if account is None or account.expires_at is None:
        return None
    return max(0, (account.expires_at - (now or timezone.now())).days)


def login_of(account: FacebookAccount | None, now: datetime | None = None) -> str:
    """Return when the Facebook login of this person ends, as a sentence."""
    now = now or timezone.now()
    left = days_left(account, now)
    values: dict[str, object] = {"account": account, "days": left}
    if account is None or account.expires_at is None or left is None:
        return gettext("The Facebook login of %(account)s does not expire.") % values
    if account.expires_at <= now:
        ended = gettext("The Facebook login of %(account)s ended on %(day)s.")
        return ended % {**values, "day": day(account.expires_at)}
    if left == 0:
        return gettext("The Facebook login of %(account)s ends today.") % values
    if left == 1:
        return gettext("The Facebook login of %(account)s ends tomorrow.") % values
    text = ngettext(
        "The Facebook login of %(account)s ends in %(days)s day.",
        "The Facebook login of %(account)s ends in %(days)s days.",
        left,
    )
    return text % values


def login_sentence(account: FacebookAccount | None, now: datetime | None = None) -> str:
    """Return when the Facebook login ends, as a sentence without a name."""
    now = now or timezone.now()
    left = days_left(account, now)
    if account is None or account.expires_at is None or left is None:
        return gettext("The Facebook login does not expire.")
    if account.expires_at <= now:
        return gettext("The Facebook login ended on %(day)s.") % {"day": day(account.expires_at)}
    if left == 0:
        return gettext("The Facebook login ends today.")
    if left == 1:
        return gettext("The Facebook login ends tomorrow.")
    text = ngettext("The Facebook login ends in %(days)s day.", "The Facebook login ends in %(days)s days.", left)
    return text % {"days": left}


def day(at: datetime) -> str:
    """Return a date for a sentence of a page."""
    return date_format(timezone.localtime(at), "DAY_AND_YEAR_FORMAT")


def moment(at: datetime) -> str:
    """Return a date and time for a sentence of a page."""
    local = timezone.localtime(at)
    values = {"day": day(at), "time": date_format(local, "TIME_FORMAT"), "zone": local.tzname() or ""}
    return (gettext("%(day)s at %(time)s %(zone)s") % values).strip()


def lower_first(text: str) -> str:
    """Return the text with a lower-case first letter, unless it begins with Facebook."""
    return text if text.startswith("Facebook") else text[:1].lower() + text[1:]  # English only: a name

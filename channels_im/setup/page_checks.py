"""What Setup says about a Page: one sentence for each check that says what is, when Desk learned it, what mends it."""

from dataclasses import dataclass
from datetime import datetime

from django.utils import timezone
from django.utils.dateparse import parse_datetime

from channels_im.messenger import pages
from channels_im.models import Channel, Page
from channels_im.services.facebook import token_check
from channels_im.setup import presenters
from desk import letters

OK, WARNING, WRONG, OPEN = "ok", "warning", "wrong", "waiting"
#: What mends it; `_check_lines.html` has the buttons. SUBSCRIBE and CHECK both request a check, which subscribes.
REAUTHENTICATE, SUBSCRIBE, CHECK = "reauthenticate", "subscribe", "check"

Subscription = Page.Subscription


@dataclass(frozen=True)
class Check:
    """What is true of a Page, as a sentence.

    `state` is OK, WARNING, WRONG or OPEN (not known, or neither good nor bad); `details` are further sentences, `when`
    says when Desk learned it, `remedy` what mends it ("" when nothing here does).
    """

    sentence: str
    state: str
    details: tuple[str, ...] = ()
    when: str = ""
    remedy: str = ""


def of_channel(channel: Channel, now: datetime | None = None) -> list[Check]:
    """Return the checks of a channel's Page. Only what Meta confirmed is OK. Makes no query."""
    page, now = channel.page, now or timezone.now()
    if page.is_connected and presenters.is_first_check_open(page) and not channel.is_active:
        return [Check("Desk is asking Facebook to stop sending this Page's messages.", OPEN)]
    if page.is_connected and presenters.is_first_check_open(page):
        return [
            Check("Desk is asking Facebook whether it accepts Desk's access.", OPEN),
            Check("Desk is asking Facebook to send this Page's messages.", OPEN),
            Check("Desk is asking Facebook which kinds of events it sends.", OPEN),
        ]
    return [
        _access(page),
        _messages(channel),
        *_events(channel),
        *_troubles(page),
        *_login(page, now),
        *_limits(page, now),
    ]


def _access(page: Page) -> Check:
    if not page.is_connected:
        return _lost_access(page)
    if token_check.APP_REFUSED in page.trouble:
        return Check("Desk does not know whether Facebook accepts its access: Facebook refuses Desk's Meta app.", OPEN)
    if page.checked_at is None and page.subscription_error:
        return Check("Desk could not ask Facebook whether it accepts the access.", WRONG, _error(page), remedy=CHECK)
    if page.checked_at is None:
        return Check("Desk has not asked Facebook yet whether it accepts the access.", OPEN, remedy=CHECK)
    if page.subscription_error:
        return Check("Facebook accepted Desk's access when it last answered.", OK, (_ends(page),), _checked(page))
    return Check("Facebook accepts Desk's access to this Page.", OK, (_ends(page),), _checked(page))


def _lost_access(page: Page) -> Check:
    reason = Page.Reason(page.reauth_reason)
    details = [presenters.healed_by(page)]
    if reason == Page.Reason.PERMISSION_REVOKED and page.subscription_error:
        details.insert(0, page.subscription_error)
    when = ""
    if page.reauth_since:
        how = Page.DetectedBy(page.reauth_detected_by).label if page.reauth_detected_by else ""
        when = f"Noticed on {letters.moment(page.reauth_since)}{f' ({how})' if how else ''}."
    sentence = f"Facebook no longer accepts Desk's access: {presenters.lower_first(reason.label)}."
    return Check(sentence, WRONG, tuple(details), when, REAUTHENTICATE)


def _messages(channel: Channel) -> Check:
    """Return whether Meta sends the Page's messages."""
    page = channel.page
    if page.reauth_reason == Page.Reason.APP_REMOVED:
        return Check("Facebook does not send this Page's messages, because the app was removed.", WRONG)
    if not page.is_connected:
        return Check("Without access Desk cannot ask Facebook whether it sends this Page's messages.", OPEN)
    if not channel.is_active:
        return _messages_while_off(page)
    if page.subscription == Subscription.UNSUBSCRIBED or (
        page.subscription == Subscription.INCOMPLETE and "messages" not in page.subscribed_fields
    ):
        sentence = "Facebook does not send this Page's messages to Desk."
        return Check(sentence, WRONG, _error(page), _checked(page), SUBSCRIBE)
    if page.subscription == Subscription.INCOMPLETE:
        return Check("Facebook sends this Page's messages to Desk.", OK, (), _checked(page))
    if page.subscription_error:
        sentence = "Desk could not check whether Facebook sends this Page's messages."
        return Check(sentence, WRONG, _error(page), remedy=CHECK)
    if page.subscription == Subscription.UNKNOWN:
        return Check("Desk has not asked Facebook yet whether it sends this Page's messages.", OPEN, remedy=CHECK)
    return Check("Facebook sends this Page's messages to Desk.", OK, (), _checked(page))


def _messages_while_off(page: Page) -> Check:
    if page.subscription_error:
        sentence = "Desk could not ask Facebook to stop sending this Page's messages."
        return Check(sentence, WRONG, _error(page), remedy=CHECK)
    if page.subscription == Subscription.UNSUBSCRIBED:
        sentence = "Facebook does not send this Page's messages, because the channel is deactivated."
        return Check(sentence, OPEN, (), _checked(page))
    return Check("The channel is deactivated; what Facebook still sends waits until it is activated.", OPEN)


def _events(channel: Channel) -> list[Check]:
    """Return whether all kinds of events are on, where Meta has said which are."""
    page = channel.page
    is_known = page.subscription == Subscription.INCOMPLETE or (
        page.subscription == Subscription.SUBSCRIBED and not page.subscription_error
    )
    if not (page.is_connected and channel.is_active and is_known):
        return []
    wanted = len(pages.SUBSCRIBED_FIELDS)
    missing = sorted(set(pages.SUBSCRIBED_FIELDS) - set(page.subscribed_fields))
    if not missing:
        return [Check(f"Facebook sends all {wanted} kinds of events that Desk needs.", OK, (), _checked(page))]
    sentence = f"Facebook does not send {len(missing)} of the {wanted} kinds of events that Desk needs."
    details = (f"Missing: {', '.join(missing)}.", *_error(page))
    return [Check(sentence, WRONG, details, _checked(page), SUBSCRIBE)]


def _troubles(page: Page) -> list[Check]:
    """Return what is wrong besides the connection, as it was noted."""
    remedies = {token_check.APP_REFUSED: CHECK, token_check.DATA_ACCESS: REAUTHENTICATE}
    checks = []
    for kind, note in page.trouble.items():
        since = parse_datetime(note.get("since", ""))
        when = f"Noticed on {letters.moment(since)}." if since else ""
        state = WARNING if kind == token_check.DATA_ACCESS else WRONG
        checks.append(Check(note.get("sentence", ""), state, (), when, remedies.get(kind, "")))
    return checks


def _login(page: Page, now: datetime) -> list[Check]:
    account = page.facebook_account
    left = presenters.days_left(account, now)
    if not page.is_connected or left is None or left > presenters.WARN_BEFORE.days:
        return []
    sentence = f"The Facebook login of {account} {presenters.login_end(account, now)}."
    return [Check(sentence, WARNING, remedy=REAUTHENTICATE)]


def _limits(page: Page, now: datetime) -> list[Check]:
    for until, consequence in (
        (page.rate_limited_until, "Replies are sent then."),
        (page.background_limited_until, "Replies are sent; names, pictures and missed messages are read then."),
    ):
        if until and until > now:
            sentence = f"Facebook's rate limit for this Page is reached until {timezone.localtime(until):%H:%M}."
            return [Check(sentence, WARNING, (consequence,))]
    return []


def _error(page: Page) -> tuple[str, ...]:
    if not page.subscription_error:
        return ()
    again = ("Desk tries again automatically.",) if page.subscription_due_at else ()
    return page.subscription_error, *again


def _checked(page: Page) -> str:
    return f"Checked on {letters.moment(page.checked_at)}." if page.checked_at else ""


def _ends(page: Page) -> str:
    expires, left = page.token_expires_at, presenters.days_left(page.facebook_account)
    access = "Page access does not expire." if expires is None else f"Page access expires on {letters.day(expires)}."
    if not left:
        return f"{access} The Facebook login {presenters.login_end(page.facebook_account)}."
    return f"{access} Facebook login: {left} day{'' if left == 1 else 's'} left."

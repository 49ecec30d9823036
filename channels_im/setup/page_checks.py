"""What Setup says about a Page: one sentence for each check that says what is, when Desk learned it, what mends it."""

from dataclasses import dataclass
from datetime import datetime

from django.utils import timezone
from django.utils.dateparse import parse_datetime
from django.utils.translation import gettext, ngettext

from channels_im.messenger import pages
from channels_im.models import Channel, Page
from channels_im.services.facebook import token_check
from channels_im.setup import presenters
from desk.languages import translated

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
        return [Check(gettext("Desk is asking Facebook to stop sending this Page's messages."), OPEN)]
    if page.is_connected and presenters.is_first_check_open(page):
        return [
            Check(gettext("Desk is asking Facebook whether it accepts Desk's access."), OPEN),
            Check(gettext("Desk is asking Facebook to send this Page's messages."), OPEN),
            Check(gettext("Desk is asking Facebook which kinds of events it sends."), OPEN),
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
        return Check(
            gettext("Desk does not know whether Facebook accepts its access: Facebook refuses Desk's Meta app."), OPEN
        )
    if page.checked_at is None and page.subscription_error:
        return Check(
            gettext("Desk could not ask Facebook whether it accepts the access."), WRONG, _error(page), remedy=CHECK
        )
    if page.checked_at is None:
        return Check(gettext("Desk has not asked Facebook yet whether it accepts the access."), OPEN, remedy=CHECK)
    if page.subscription_error:
        return Check(
            gettext("Facebook accepted Desk's access when it last answered."), OK, (_ends(page),), _checked(page)
        )
    return Check(gettext("Facebook accepts Desk's access to this Page."), OK, (_ends(page),), _checked(page))


def _lost_access(page: Page) -> Check:
    reason = Page.Reason(page.reauth_reason)
    details = [presenters.healed_by(page)]
    if reason == Page.Reason.PERMISSION_REVOKED and page.subscription_error:
        details.insert(0, translated(page.subscription_error))
    when = ""
    if page.reauth_since and page.reauth_detected_by:
        how = translated(Page.DetectedBy(page.reauth_detected_by).label)
        noticed = gettext("Noticed on %(moment)s (%(how)s).")
        when = noticed % {"moment": presenters.moment(page.reauth_since), "how": how}
    elif page.reauth_since:
        when = _noticed(page.reauth_since)
    sentence = gettext("Facebook no longer accepts Desk's access: %(reason)s.")
    return Check(sentence % {"reason": presenters.reauth_reason(page)}, WRONG, tuple(details), when, REAUTHENTICATE)


def _messages(channel: Channel) -> Check:
    """Return whether Meta sends the Page's messages."""
    page = channel.page
    if page.reauth_reason == Page.Reason.APP_REMOVED:
        return Check(gettext("Facebook does not send this Page's messages, because the app was removed."), WRONG)
    if not page.is_connected:
        return Check(gettext("Without access Desk cannot ask Facebook whether it sends this Page's messages."), OPEN)
    if not channel.is_active:
        return _messages_while_off(page)
    if page.subscription == Subscription.UNSUBSCRIBED or (
        page.subscription == Subscription.INCOMPLETE and "messages" not in page.subscribed_fields
    ):
        sentence = gettext("Facebook does not send this Page's messages to Desk.")
        return Check(sentence, WRONG, _error(page), _checked(page), SUBSCRIBE)
    if page.subscription == Subscription.INCOMPLETE:
        return Check(gettext("Facebook sends this Page's messages to Desk."), OK, (), _checked(page))
    if page.subscription_error:
        sentence = gettext("Desk could not check whether Facebook sends this Page's messages.")
        return Check(sentence, WRONG, _error(page), remedy=CHECK)
    if page.subscription == Subscription.UNKNOWN:
        return Check(
            gettext("Desk has not asked Facebook yet whether it sends this Page's messages."), OPEN, remedy=CHECK
        )
    return Check(gettext("Facebook sends this Page's messages to Desk."), OK, (), _checked(page))


def _messages_while_off(page: Page) -> Check:
    if page.subscription_error:
        sentence = gettext("Desk could not ask Facebook to stop sending this Page's messages.")
        return Check(sentence, WRONG, _error(page), remedy=CHECK)
    if page.subscription == Subscription.UNSUBSCRIBED:
        sentence = gettext("Facebook does not send this Page's messages, because the channel is deactivated.")
        return Check(sentence, OPEN, (), _checked(page))
    return Check(gettext("The channel is deactivated; what Facebook still sends waits until it is activated."), OPEN)


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
        sends = ngettext(
            "Facebook sends the %(count)s kind of events that Desk needs.",
            "Facebook sends all %(count)s kinds of events that Desk needs.",
            wanted,
        ) % {"count": wanted}
        return [Check(sends, OK, (), _checked(page))]
    sentence = ngettext(
        "Facebook does not send %(missing)s of the %(count)s kinds of events that Desk needs.",
        "Facebook does not send %(missing)s of the %(count)s kinds of events that Desk needs.",
        len(missing),
    ) % {"missing": len(missing), "count": wanted}
    details = (gettext("Missing: %(names)s.") % {"names": ", ".join(missing)}, *_error(page))
    return [Check(sentence, WRONG, details, _checked(page), SUBSCRIBE)]


def _troubles(page: Page) -> list[Check]:
    """Return what is wrong besides the connection, as it was noted."""
    remedies = {token_check.APP_REFUSED: CHECK, token_check.DATA_ACCESS: REAUTHENTICATE}
    checks = []
    for kind, note in page.trouble.items():
        since = parse_datetime(note.get("since", ""))
        when = _noticed(since) if since else ""
        state = WARNING if kind == token_check.DATA_ACCESS else WRONG
        checks.append(Check(translated(note.get("sentence", "")), state, (), when, remedies.get(kind, "")))
    return checks


def _login(page: Page, now: datetime) -> list[Check]:
    account = page.facebook_account
    left = presenters.days_left(account, now)
    if not page.is_connected or left is None or left > presenters.WARN_BEFORE.days:
        return []
    return [Check(presenters.login_of(account, now), WARNING, remedy=REAUTHENTICATE)]


def _limits(page: Page, now: datetime) -> list[Check]:
    for until, consequence in (
        (page.rate_limited_until, gettext("Replies are sent then.")),
        (
            page.background_limited_until,
            gettext("Replies are sent; names, pictures and missed messages are read then."),
        ),
    ):
        if until and until > now:
            sentence = gettext("Facebook's rate limit for this Page is reached until %(time)s.")
            time = f"{timezone.localtime(until):%H:%M}"
            return [Check(sentence % {"time": time}, WARNING, (consequence,))]
    return []


def _error(page: Page) -> tuple[str, ...]:
    if not page.subscription_error:
        return ()
    again = (gettext("Desk tries again automatically."),) if page.subscription_due_at else ()
    return translated(page.subscription_error), *again


def _checked(page: Page) -> str:
    if not page.checked_at:
        return ""
    return gettext("Checked on %(moment)s.") % {"moment": presenters.moment(page.checked_at)}


def _noticed(at: datetime) -> str:
    return gettext("Noticed on %(moment)s.") % {"moment": presenters.moment(at)}


def _ends(page: Page) -> str:
    expires, left = page.token_expires_at, presenters.days_left(page.facebook_account)
    if expires is None:
        access = gettext("Page access does not expire.")
    else:
        access = gettext("Page access expires on %(day)s.") % {"day": presenters.day(expires)}
    if not left:
        return f"{access} {presenters.login_sentence(page.facebook_account)}"
    login = ngettext("Facebook login: %(days)s day left.", "Facebook login: %(days)s days left.", left)
    return f"{access} {login % {'days': left}}"

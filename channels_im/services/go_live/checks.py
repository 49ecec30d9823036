"""Find out what Meta and our own database say about the steps. Called by the worker, never in a web request."""

import logging
import time
from collections.abc import Callable
from datetime import datetime

from django.conf import settings

from channels_im.messenger import app_info, oauth, pages
from channels_im.messenger.errors import ErrorKind, GraphError
from channels_im.messenger.scopes import REQUIRED_SCOPES, SCOPES
from channels_im.models import Channel, FacebookAccount, Page, PrivacyPolicy
from channels_im.services.go_live import addresses, catalogue, reachability
from channels_im.services.go_live.reachability import Finding, State
from desk import letters
from desk.sentences import counted, sentence

logger = logging.getLogger(__name__)

MAX_S = 60.0  # for all checks; with the longest time of one call below the time-out of a task
MAX_LOGINS = 10  # the newest ones are checked
NOT_NAMED = sentence("Facebook does not tell this to Desk, or the field is empty.")
APP_FIRST = sentence("Checked when Facebook accepts the app id and secret.")
OUT_OF_TIME = " ".join(
    [sentence("Facebook answered so slowly that this was not checked."), sentence("Check again later.")]
)

Findings = dict[str, Finding]


def run(now: datetime) -> Findings:
    """Return a finding for every step that is checked, except the test message. Takes about MAX_S at most."""
    ends_at = time.monotonic() + MAX_S
    findings: Findings = {}
    findings["address"], findings["answers"] = reachability.check(now)
    findings["redirect"] = _redirect()
    findings["page"] = _page()
    findings["mode"] = _mode()
    findings["app"] = app = _app()
    for keys, ask in _asks_meta(ends_at).items():
        if app.state != State.DONE:
            found = dict.fromkeys(keys, Finding(State.TO_DO, APP_FIRST))
        elif time.monotonic() > ends_at:
            found = dict.fromkeys(keys, Finding(State.TO_DO, OUT_OF_TIME))
        else:
            found = _guarded(keys, ask)
        findings |= found
    return findings


def _asks_meta(ends_at: float) -> dict[tuple[str, ...], Callable[[], Findings]]:
    permissions = filter(catalogue.is_permission, catalogue.access_names())
    return {
        ("domains", "policy", "deauthorize"): _settings_of_app,
        ("webhook",): _webhook,
        ("granted",): lambda: _granted(ends_at),
        tuple(f"{catalogue.ACCESS_PREFIX}{name}" for name in permissions): _approved,
    }


def _guarded(keys: tuple[str, ...], ask: Callable[[], Findings]) -> Findings:
    try:
        return ask()
    except GraphError as error:
        logger.warning("Going live: %s could not be checked: %s", ", ".join(keys), error)
        if error.verdict.is_temporary:
            return dict.fromkeys(keys, Finding(State.TO_DO, _no_answer(error)))
        return dict.fromkeys(keys, Finding(State.UNKNOWN, _refused(error)))


def _no_answer(error: GraphError) -> str:
    if error.code is None:
        return sentence("Facebook gave no usable answer (no error number). Check again later.")
    return sentence("Facebook gave no usable answer (error %(number)s). Check again later.", number=error.code)


def _refused(error: GraphError) -> str:
    if error.code is None:
        return sentence("Facebook refused to tell this (no error number).")
    return sentence("Facebook refused to tell this (error %(number)s).", number=error.code)


# --- The app ----------------------------------------------------------------------------------------------------------
def _app() -> Finding:
    missing = [name for name in ("META_APP_ID", "META_APP_SECRET") if not getattr(settings, name)]
    if missing:
        if len(missing) == 1:
            return Finding(State.TO_DO, sentence("%(name)s is not set.", name=missing[0]))
        return Finding(State.TO_DO, sentence("META_APP_ID and META_APP_SECRET are not set."))
    try:
        app_info.check_secret()
    except GraphError as error:
        logger.warning("Going live: the app id and secret were not accepted: %s", error)
        is_refused = error.code is not None and 400 <= (error.http_status or 0) < 500
        if is_refused and error.verdict.kind is not ErrorKind.RATE_LIMITED:
            return Finding(
                State.TO_DO, sentence("Facebook refused them: META_APP_ID and META_APP_SECRET do not belong together.")
            )
        return Finding(State.TO_DO, _no_answer(error))
    accepted = sentence("Facebook accepted the secret of the app %(app)s.", app=settings.META_APP_ID)
    return Finding(State.DONE, accepted)


def _settings_of_app() -> Findings:
    info = app_info.read_app()
    return {
        "domains": _domains(info.domains),
        "policy": _policy(info.privacy_policy_url),
        "deauthorize": _same_address(info.deauthorize_url, addresses.deauthorize()),
    }


def _domains(domains: tuple[str, ...] | None) -> Finding:
    if domains is None:
        return Finding(State.UNKNOWN, NOT_NAMED)
    host, listed = addresses.host(), ", ".join(domains)
    if any(host == domain.lower() or host.endswith(f".{domain.lower()}") for domain in domains):
        return Finding(State.DONE, sentence("The app has the domains %(domains)s.", domains=listed))
    missing = sentence("The app has the domains %(domains)s. %(host)s is missing.", domains=listed, host=host)
    return Finding(State.TO_DO, missing)


def _policy(url: str | None) -> Finding:
    if url is None:
        return Finding(State.UNKNOWN, NOT_NAMED)
    if _same(url, addresses.privacy_policy()) and not PrivacyPolicy.objects.exists():
        return Finding(
            State.TO_DO,
            sentence("The app names Desk's own page, but you have not published a privacy policy there yet."),
        )
    if not url.startswith("https://"):
        insecure = sentence("The app names %(url)s. Facebook wants an address that begins with https://.", url=url)
        return Finding(State.TO_DO, insecure)
    return Finding(State.DONE, sentence("The app names %(url)s.", url=url))


def _same_address(found: str | None, wanted: str) -> Finding:
    if found is None:
        return Finding(State.UNKNOWN, NOT_NAMED)
    if _same(found, wanted):
        return Finding(State.DONE, sentence("The app names this Desk."))
    return Finding(State.TO_DO, sentence("The app names %(url)s.", url=found))


def _same(one: str, other: str) -> bool:
    return one.rstrip("/") == other.rstrip("/")


# --- Webhook, login, Pages --------------------------------------------------------------------------------------------
def _webhook() -> Findings:
    return {"webhook": _subscription(app_info.page_subscription())}


def _subscription(found: app_info.AppSubscription | None) -> Finding:
    if found is None:
        return Finding(State.TO_DO, sentence("The app has no webhook for the Page object."))
    if found.callback_url != addresses.webhook():
        return Finding(State.TO_DO, sentence("Facebook calls %(url)s, not this Desk.", url=found.callback_url))
    if not found.is_active:
        return Finding(State.TO_DO, sentence("Facebook has switched the webhook off. Enter the callback URL again."))
    missing = [name for name in pages.SUBSCRIBED_FIELDS if name not in found.fields]
    if missing:
        return Finding(State.TO_DO, sentence("These fields are missing: %(fields)s.", fields=", ".join(missing)))
    complete = counted(
        "Facebook calls this Desk, with the %(count)s field.",
        "Facebook calls this Desk, with all %(count)s fields.",
        len(pages.SUBSCRIBED_FIELDS),
    )
    return Finding(State.DONE, complete)


def _redirect() -> Finding:
    account = FacebookAccount.objects.order_by("-linked_at").first()
    if account is None:
        return Finding(State.UNKNOWN, sentence("No login has come back to Desk yet. Link Facebook, then check again."))
    came_back = sentence("A login came back to Desk on %(day)s.", day=letters.day(account.linked_at))
    return Finding(State.DONE, came_back)


def _granted(ends_at: float) -> Findings:
    """Ask Meta about the newest logins: what their tokens may do now, not what was granted once.

    The findings have no names: whoever has their data deleted at Facebook must not remain in them.
    """
    accounts = list(FacebookAccount.objects.exclude(user_token=None).order_by("-linked_at")[:MAX_LOGINS])
    problems, notes = [], []
    for account in accounts:
        at = f"{account.linked_at:%-d %B %Y, %H:%M} UTC"
        if time.monotonic() > ends_at:
            problems.append(OUT_OF_TIME)
            break
        info = oauth.debug_token(account.user_token or "")
        missing = [scope for scope in REQUIRED_SCOPES if scope not in info.scopes]
        if not info.is_valid or not info.is_ours:
            problems.append(sentence("The login of %(time)s is no longer valid.", time=at))
        elif missing:
            problems.append(sentence("The login of %(time)s lacks %(names)s.", time=at, names=", ".join(missing)))
        elif without := [scope for scope in SCOPES if scope not in info.scopes]:
            notes.append(
                sentence(
                    "The login of %(time)s did not grant %(names)s: Pages of a business portfolio are missing.",
                    time=at,
                    names=", ".join(without),
                )
            )
    if not accounts:
        return {"granted": Finding(State.TO_DO, sentence("Nobody has linked Facebook yet."))}
    if problems:
        return {"granted": Finding(State.TO_DO, " ".join(problems))}
    granted = counted(
        "The login granted all permissions that Desk cannot do without.",
        "Each of the %(count)s newest logins granted all permissions that Desk cannot do without.",
        len(accounts),
    )
    return {"granted": Finding(State.DONE, " ".join([granted, *notes]))}


def _page() -> Finding:
    active = Channel.objects.existing().filter(is_active=True).select_related("page")
    receiving = [
        channel.page.name
        for channel in active
        if channel.page.is_connected and channel.page.subscription == Page.Subscription.SUBSCRIBED
    ]
    if receiving:
        return Finding(State.DONE, sentence("Desk receives the events of %(pages)s.", pages=", ".join(receiving)))
    if not active:
        return Finding(State.TO_DO, sentence("There is no active channel yet."))
    return Finding(
        State.TO_DO, sentence("No Page of an active channel is connected and subscribed. Setup → Health says why.")
    )


# --- App Review -------------------------------------------------------------------------------------------------------
def _approved() -> Findings:
    """Believe Meta's list of approved permissions, but not that what is missing there is not approved."""
    approved = app_info.approved_permissions()
    return {
        f"{catalogue.ACCESS_PREFIX}{name}": Finding(State.DONE, sentence("Facebook lists it as approved."))
        if name in approved
        else Finding(
            State.UNKNOWN, sentence("Facebook does not list it as approved. The App Dashboard knows for certain.")
        )
        for name in filter(catalogue.is_permission, catalogue.access_names())
    }


def _mode() -> Finding:
    """Return that the app is not live when Meta refused a reply for this reason. Meta has no field for the mode."""
    for channel in Channel.objects.existing().filter(is_active=True).select_related("page"):
        if ErrorKind.APP_MISCONFIGURED in channel.page.trouble:
            refused = sentence(
                "A call for %(page)s was refused. %(why_text)s",
                page=channel.page.name,
                why_text=channel.page.trouble[ErrorKind.APP_MISCONFIGURED].get("sentence", ""),
            )
            return Finding(State.TO_DO, refused.strip())
    return Finding(State.UNKNOWN, sentence("Facebook does not tell Desk in which mode the app is."))

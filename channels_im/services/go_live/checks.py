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

logger = logging.getLogger(__name__)

MAX_S = 60.0  # for all checks; with the longest time of one call below the time-out of a task
MAX_LOGINS = 10  # the newest ones are checked
NOT_NAMED = "Facebook does not tell this to Desk, or the field is empty."
APP_FIRST = "Checked when Facebook accepts the app id and secret."
OUT_OF_TIME = "Facebook answered so slowly that this was not checked. Check again later."

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
        return dict.fromkeys(keys, Finding(State.UNKNOWN, f"Facebook refused to tell this ({_number(error)})."))


def _no_answer(error: GraphError) -> str:
    return f"Facebook gave no usable answer ({_number(error)}). Check again later."


def _number(error: GraphError) -> str:
    return f"error {error.code}" if error.code is not None else "no error number"


# --- The app ----------------------------------------------------------------------------------------------------------
def _app() -> Finding:
    missing = [name for name in ("META_APP_ID", "META_APP_SECRET") if not getattr(settings, name)]
    if missing:
        return Finding(State.TO_DO, f"{' and '.join(missing)} {'is' if len(missing) == 1 else 'are'} not set.")
    try:
        app_info.check_secret()
    except GraphError as error:
        logger.warning("Going live: the app id and secret were not accepted: %s", error)
        is_refused = error.code is not None and 400 <= (error.http_status or 0) < 500
        if is_refused and error.verdict.kind is not ErrorKind.RATE_LIMITED:
            return Finding(
                State.TO_DO, "Facebook refused them: META_APP_ID and META_APP_SECRET do not belong together."
            )
        return Finding(State.TO_DO, _no_answer(error))
    return Finding(State.DONE, f"Facebook accepted the secret of the app {settings.META_APP_ID}.")


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
        return Finding(State.DONE, f"The app has the domains {listed}.")
    return Finding(State.TO_DO, f"The app has the domains {listed}. {host} is missing.")


def _policy(url: str | None) -> Finding:
    if url is None:
        return Finding(State.UNKNOWN, NOT_NAMED)
    if _same(url, addresses.privacy_policy()) and not PrivacyPolicy.objects.exists():
        return Finding(
            State.TO_DO, "The app names Desk's own page, but you have not published a privacy policy there yet."
        )
    if not url.startswith("https://"):
        return Finding(State.TO_DO, f"The app names {url}. Facebook wants an address that begins with https://.")
    return Finding(State.DONE, f"The app names {url}.")


def _same_address(found: str | None, wanted: str) -> Finding:
    if found is None:
        return Finding(State.UNKNOWN, NOT_NAMED)
    if _same(found, wanted):
        return Finding(State.DONE, "The app names this Desk.")
    return Finding(State.TO_DO, f"The app names {found}.")


def _same(one: str, other: str) -> bool:
    return one.rstrip("/") == other.rstrip("/")


# --- Webhook, login, Pages --------------------------------------------------------------------------------------------
def _webhook() -> Findings:
    return {"webhook": _subscription(app_info.page_subscription())}


def _subscription(found: app_info.AppSubscription | None) -> Finding:
    if found is None:
        return Finding(State.TO_DO, "The app has no webhook for the Page object.")
    if found.callback_url != addresses.webhook():
        return Finding(State.TO_DO, f"Facebook calls {found.callback_url}, not this Desk.")
    if not found.is_active:
        return Finding(State.TO_DO, "Facebook has switched the webhook off. Enter the callback URL again.")
    missing = [name for name in pages.SUBSCRIBED_FIELDS if name not in found.fields]
    if missing:
        return Finding(State.TO_DO, f"These fields are missing: {', '.join(missing)}.")
    return Finding(State.DONE, f"Facebook calls this Desk, with all {len(pages.SUBSCRIBED_FIELDS)} fields.")


def _redirect() -> Finding:
    account = FacebookAccount.objects.order_by("-linked_at").first()
    if account is None:
        return Finding(State.UNKNOWN, "No login has come back to Desk yet. Link Facebook, then check again.")
    return Finding(State.DONE, f"A login came back to Desk on {letters.day(account.linked_at)}.")


def _granted(ends_at: float) -> Findings:
    """Ask Meta about the newest logins: what their tokens may do now, not what was granted once.

    The findings have no names: whoever has their data deleted at Facebook must not remain in them.
    """
    accounts = list(FacebookAccount.objects.exclude(user_token=None).order_by("-linked_at")[:MAX_LOGINS])
    problems, notes = [], []
    for account in accounts:
        login = f"The login of {account.linked_at:%-d %B %Y, %H:%M} UTC"
        if time.monotonic() > ends_at:
            problems.append(OUT_OF_TIME)
            break
        info = oauth.debug_token(account.user_token or "")
        missing = [scope for scope in REQUIRED_SCOPES if scope not in info.scopes]
        if not info.is_valid or not info.is_ours:
            problems.append(f"{login} is no longer valid.")
        elif missing:
            problems.append(f"{login} lacks {', '.join(missing)}.")
        elif without := [scope for scope in SCOPES if scope not in info.scopes]:
            notes.append(f"{login} did not grant {', '.join(without)}: Pages of a business portfolio are missing.")
    if not accounts:
        return {"granted": Finding(State.TO_DO, "Nobody has linked Facebook yet.")}
    if problems:
        return {"granted": Finding(State.TO_DO, " ".join(problems))}
    logins = "The login" if len(accounts) == 1 else f"Each of the {len(accounts)} newest logins"
    sentence = f"{logins} granted all permissions that Desk cannot do without."
    return {"granted": Finding(State.DONE, " ".join([sentence, *notes]))}


def _page() -> Finding:
    active = Channel.objects.existing().filter(is_active=True).select_related("page")
    receiving = [
        channel.page.name
        for channel in active
        if channel.page.is_connected and channel.page.subscription == Page.Subscription.SUBSCRIBED
    ]
    if receiving:
        return Finding(State.DONE, f"Desk receives the events of {', '.join(receiving)}.")
    if not active:
        return Finding(State.TO_DO, "There is no active channel yet.")
    return Finding(State.TO_DO, "No Page of an active channel is connected and subscribed. Setup → Health says why.")


# --- App Review -------------------------------------------------------------------------------------------------------
def _approved() -> Findings:
    """Believe Meta's list of approved permissions, but not that what is missing there is not approved."""
    approved = app_info.approved_permissions()
    return {
        f"{catalogue.ACCESS_PREFIX}{name}": Finding(State.DONE, "Facebook lists it as approved.")
        if name in approved
        else Finding(State.UNKNOWN, "Facebook does not list it as approved. The App Dashboard knows for certain.")
        for name in filter(catalogue.is_permission, catalogue.access_names())
    }


def _mode() -> Finding:
    """Return that the app is not live when Meta refused a reply for this reason. Meta has no field for the mode."""
    for channel in Channel.objects.existing().filter(is_active=True).select_related("page"):
        if ErrorKind.APP_MISCONFIGURED in channel.page.trouble:
            sentence = channel.page.trouble[ErrorKind.APP_MISCONFIGURED].get("sentence", "")
            return Finding(State.TO_DO, f"A call for {channel.page.name} was refused. {sentence}".strip())
    return Finding(State.UNKNOWN, "Facebook does not tell Desk in which mode the app is.")

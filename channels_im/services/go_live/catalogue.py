"""The steps to a live app, in the order in which one does them. `checks` finds out about them."""

from collections.abc import Callable
from dataclasses import dataclass

from django.conf import settings

from channels_im.messenger import pages
from channels_im.messenger.scopes import HUMAN_AGENT_FEATURE, PROFILE_FEATURE, SCOPES, UTILITY_SCOPES
from channels_im.services.go_live import addresses

ACCESS_PREFIX = "access:"
BASIC = "App Dashboard → App settings → Basic"
LOGIN = "App Dashboard → Facebook Login (or Facebook Login for Business) → Settings"
WEBHOOKS = "App Dashboard → Messenger → Settings → Webhooks"
REVIEW = "App Dashboard → App Review → Permissions and features"


@dataclass(frozen=True)
class Value:
    """A value to copy into a field of the App Dashboard."""

    label: str
    text: str


@dataclass(frozen=True)
class Step:
    """One step: a title, one sentence on what it is, and how it is done. `values` returns what is copied for it.

    With `is_checked`, Desk checks it as far as it can; without, only an administrator can say that it is done.
    """

    key: str
    section: str
    title: str
    text: str
    how: str
    is_checked: bool = False
    values: Callable[[], tuple[Value, ...]] = tuple


ADDRESS, APP, LOGGING_IN, WEBHOOK, PAGES, APPROVAL, LIVE = (
    "The address",
    "The app",
    "Login",
    "Webhook",
    "Pages",
    "App Review",
    "Live",
)

_BEFORE_REVIEW = (
    Step(
        "address",
        ADDRESS,
        "A public https address",
        "Facebook reaches Desk only over https, with a certificate that is valid and not self-signed.",
        "Set DESK_PUBLIC_URL to the address, and give the proxy in front of Desk a certificate of a public authority.",
        is_checked=True,
    ),
    Step(
        "answers",
        ADDRESS,
        "The webhook answers there",
        "Desk calls its own webhook as Facebook does when it verifies the address.",
        "Lead the address to Desk, without a redirect or a login in front of it.",
        is_checked=True,
        values=lambda: (Value("Address", addresses.webhook()),),
    ),
    Step(
        "app",
        APP,
        "App id and app secret",
        "Facebook accepts META_APP_ID together with META_APP_SECRET.",
        f"Copy both from {BASIC}, and restart Desk.",
        is_checked=True,
    ),
    Step(
        "basic",
        APP,
        "Icon, category and contact",
        "App Review opens only when the app has an icon (1024 × 1024 pixels), a category and a contact e-mail address.",
        f"Fill in {BASIC}.",
    ),
    Step(
        "domains",
        APP,
        "App domains",
        "The app names the host of Desk, to which Facebook returns after a login.",
        f"Add the host in {BASIC} → App domains.",
        is_checked=True,
        values=lambda: (Value("App domains", addresses.host()),),
    ),
    Step(
        "policy",
        APP,
        "Privacy policy",
        "The app names a public page with your privacy policy, which says how people can have their data deleted.",
        f"Publish yours with “Privacy policy” on this page, and enter its address in {BASIC} → Privacy policy URL.",
        is_checked=True,
        values=lambda: (Value("Privacy policy URL", addresses.privacy_policy()),),
    ),
    Step(
        "deletion",
        APP,
        "Data deletion",
        "The app names the address that Facebook calls when a person asks for the deletion of their data.",
        f"In {BASIC} → User data deletion choose “Data deletion callback URL” and enter the first address. Where only "
        "instructions are asked for, enter the second.",
        values=lambda: (
            Value("Data deletion callback URL", addresses.data_deletion()),
            Value("Data deletion instructions URL", addresses.data_deletion_help()),
        ),
    ),
    Step(
        "secret_required",
        APP,
        "Require app secret",
        "With this switch, a stolen access token is of no use: Desk signs every call with the app secret.",
        "Turn it on in App Dashboard → App settings → Advanced → Require app secret.",
    ),
    Step(
        "redirect",
        LOGGING_IN,
        "Redirect URI",
        "Facebook returns only to addresses that the app lists, and compares them character by character.",
        f"Enter it in {LOGIN} → Valid OAuth redirect URIs, with Client OAuth login, Web OAuth login, Enforce HTTPS and "
        "Strict mode on. A login with “Link Facebook” that comes back to Desk proves it.",
        is_checked=True,
        values=lambda: (Value("Valid OAuth redirect URI", addresses.redirect()),),
    ),
    Step(
        "deauthorize",
        LOGGING_IN,
        "Deauthorize callback",
        "Facebook tells Desk when a person who linked Pages removes the app.",
        f"Enter the address in {LOGIN} → Deauthorize callback URL.",
        is_checked=True,
        values=lambda: (Value("Deauthorize callback URL", addresses.deauthorize()),),
    ),
    Step(
        "webhook",
        WEBHOOK,
        "Webhook of the Page object",
        "Facebook sends the events of Pages to this Desk, with all fields that Desk needs.",
        f"In {WEBHOOKS} enter the callback URL and the text of META_VERIFY_TOKEN, then subscribe to the fields.",
        is_checked=True,
        values=lambda: (
            Value("Callback URL", addresses.webhook()),
            Value("Fields", ", ".join(pages.SUBSCRIBED_FIELDS)),
        ),
    ),
    Step(
        "granted",
        PAGES,
        "Permissions of a login",
        "The person who linked Facebook granted every permission that Desk asks for.",
        "Link Facebook in Setup → Messenger → Create Channel, and leave all permissions on.",
        is_checked=True,
    ),
    Step(
        "page",
        PAGES,
        "A Page that is connected",
        "At least one channel is active, and Facebook sends the events of its Page to Desk.",
        "Create a channel in Setup → Messenger. Its own page shows what is missing.",
        is_checked=True,
    ),
    Step(
        "test",
        PAGES,
        "A test message",
        "A message from Desk arrived in Messenger.",
        "Write to your Page from your own Facebook account, then choose “Send yourself a test” on this page.",
        is_checked=True,
    ),
    Step(
        "business",
        APPROVAL,
        "Business verification",
        "Advanced access, which works for the public, is given only to apps of a verified business.",
        "Start it in Meta Business Suite → Settings → Security centre, for the portfolio that owns the app.",
    ),
    Step(
        "recording",
        APPROVAL,
        "Screen recording",
        "The reviewers watch a recording of each permission and feature in use.",
        "Record the script below, in English or with English captions.",
    ),
    Step(
        "submitted",
        APPROVAL,
        "Submission",
        "The permissions and features are requested, with their texts, the recording and a login to Desk.",
        f"Choose “Request advanced access” for each in {REVIEW}, copy the texts from below, answer the questions on "
        "data handling, and submit.",
    ),
)


def access_names() -> tuple[str, ...]:
    """Return the permissions and features that this installation asks for, by Meta's names."""
    utility = UTILITY_SCOPES[:1] if settings.META_UTILITY_MESSAGES else ()
    human_agent = (HUMAN_AGENT_FEATURE,) if settings.META_HUMAN_AGENT else ()
    return (*SCOPES, *utility, *human_agent, PROFILE_FEATURE)


def is_permission(name: str) -> bool:
    """Return whether a name of `access_names` is a permission; the others are features."""
    return name not in (HUMAN_AGENT_FEATURE, PROFILE_FEATURE)


def _access(name: str) -> Step:
    kind = "permission" if is_permission(name) else "feature"
    return Step(
        f"{ACCESS_PREFIX}{name}",
        APPROVAL,
        f"Advanced access: {name}",
        f"Meta approved the {kind} for people who have no role in the app.",
        f"{REVIEW} shows “Advanced access” for it.",
        is_checked=is_permission(name),
    )


_LIVE = (
    Step(
        "mode",
        LIVE,
        "Live mode",
        "In development mode, only people with a role in the app can use it.",
        "Turn the switch at the top of the App Dashboard from Development to Live (or choose Publish).",
        is_checked=True,
    ),
    Step(
        "public",
        LIVE,
        "A message from the public",
        "Somebody without a role in the app wrote to the Page, and got a reply.",
        "Ask somebody outside your company to write to the Page, and reply in the inbox. Tick this when they have it.",
    ),
)


def steps() -> tuple[Step, ...]:
    """Return all steps of this installation, in order."""
    return (*_BEFORE_REVIEW, *(_access(name) for name in access_names()), *_LIVE)

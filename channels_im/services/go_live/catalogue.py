"""The steps to a live app, in the order in which one does them. `checks` finds out about them."""

from collections.abc import Callable
from dataclasses import dataclass

from django.conf import settings

from channels_im.messenger import pages
from channels_im.messenger.scopes import HUMAN_AGENT_FEATURE, PROFILE_FEATURE, SCOPES, UTILITY_SCOPES
from channels_im.services.go_live import addresses
from desk.sentences import sentence

ACCESS_PREFIX = "access:"
BASIC = sentence("App Dashboard → App settings → Basic")
LOGIN = sentence("App Dashboard → Facebook Login (or Facebook Login for Business) → Settings")
WEBHOOKS = sentence("App Dashboard → Messenger → Settings → Webhooks")
REVIEW = sentence("App Dashboard → App Review → Permissions and features")


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
    sentence("The address"),
    sentence("The app"),
    sentence("Login"),
    sentence("Webhook"),
    sentence("Pages"),
    sentence("App Review"),
    sentence("Live"),
)

_BEFORE_REVIEW = (
    Step(
        "address",
        ADDRESS,
        sentence("A public https address"),
        sentence("Facebook reaches Desk only over https, with a certificate that is valid and not self-signed."),
        sentence(
            "Set DESK_PUBLIC_URL to the address, and give the proxy in front of Desk a certificate of a public "
            "authority."
        ),
        is_checked=True,
    ),
    Step(
        "answers",
        ADDRESS,
        sentence("The webhook answers there"),
        sentence("Desk calls its own webhook as Facebook does when it verifies the address."),
        sentence("Lead the address to Desk, without a redirect or a login in front of it."),
        is_checked=True,
        values=lambda: (Value(sentence("Address"), addresses.webhook()),),
    ),
    Step(
        "app",
        APP,
        sentence("App id and app secret"),
        sentence("Facebook accepts META_APP_ID together with META_APP_SECRET."),
        sentence("Copy both from %(place_text)s, and restart Desk.", place_text=BASIC),
        is_checked=True,
    ),
    Step(
        "basic",
        APP,
        sentence("Icon, category and contact"),
        sentence(
            "App Review opens only when the app has an icon (1024 × 1024 pixels), a category and a contact e-mail "
            "address."
        ),
        sentence("Fill in %(place_text)s.", place_text=BASIC),
    ),
    Step(
        "domains",
        APP,
        sentence("App domains"),
        sentence("The app names the host of Desk, to which Facebook returns after a login."),
        sentence("Add the host in %(place_text)s → App domains.", place_text=BASIC),
        is_checked=True,
        values=lambda: (Value(sentence("App domains"), addresses.host()),),
    ),
    Step(
        "policy",
        APP,
        sentence("Privacy policy"),
        sentence(
            "The app names a public page with your privacy policy, which says how people can have their data deleted."
        ),
        sentence(
            "Publish yours with “Privacy policy” on this page, and enter its address in %(place_text)s → Privacy "
            "policy URL.",
            place_text=BASIC,
        ),
        is_checked=True,
        values=lambda: (Value(sentence("Privacy policy URL"), addresses.privacy_policy()),),
    ),
    Step(
        "deletion",
        APP,
        sentence("Data deletion"),
        sentence("The app names the address that Facebook calls when a person asks for the deletion of their data."),
        sentence(
            "In %(place_text)s → User data deletion choose “Data deletion callback URL” and enter the first address. "
            "Where only instructions are asked for, enter the second.",
            place_text=BASIC,
        ),
        values=lambda: (
            Value(sentence("Data deletion callback URL"), addresses.data_deletion()),
            Value(sentence("Data deletion instructions URL"), addresses.data_deletion_help()),
        ),
    ),
    Step(
        "secret_required",
        APP,
        sentence("Require app secret"),
        sentence("With this switch, a stolen access token is of no use: Desk signs every call with the app secret."),
        sentence("Turn it on in App Dashboard → App settings → Advanced → Require app secret."),
    ),
    Step(
        "redirect",
        LOGGING_IN,
        sentence("Redirect URI"),
        sentence("Facebook returns only to addresses that the app lists, and compares them character by character."),
        sentence(
            "Enter it in %(place_text)s → Valid OAuth redirect URIs, with Client OAuth login, Web OAuth login, Enforce "
            "HTTPS and Strict mode on. A login with “Link Facebook” that comes back to Desk proves it.",
            place_text=LOGIN,
        ),
        is_checked=True,
        values=lambda: (Value(sentence("Valid OAuth redirect URI"), addresses.redirect()),),
    ),
    Step(
        "deauthorize",
        LOGGING_IN,
        sentence("Deauthorize callback"),
        sentence("Facebook tells Desk when a person who linked Pages removes the app."),
        sentence("Enter the address in %(place_text)s → Deauthorize callback URL.", place_text=LOGIN),
        is_checked=True,
        values=lambda: (Value(sentence("Deauthorize callback URL"), addresses.deauthorize()),),
    ),
    Step(
        "webhook",
        WEBHOOK,
        sentence("Webhook of the Page object"),
        sentence("Facebook sends the events of Pages to this Desk, with all fields that Desk needs."),
        sentence(
            "In %(place_text)s enter the callback URL and the text of META_VERIFY_TOKEN, then subscribe to the fields.",
            place_text=WEBHOOKS,
        ),
        is_checked=True,
        values=lambda: (
            Value(sentence("Callback URL"), addresses.webhook()),
            Value(sentence("Fields"), ", ".join(pages.SUBSCRIBED_FIELDS)),
        ),
    ),
    Step(
        "granted",
        PAGES,
        sentence("Permissions of a login"),
        sentence("The person who linked Facebook granted every permission that Desk asks for."),
        sentence("Link Facebook in Setup → Messenger → Create Channel, and leave all permissions on."),
        is_checked=True,
    ),
    Step(
        "page",
        PAGES,
        sentence("A Page that is connected"),
        sentence("At least one channel is active, and Facebook sends the events of its Page to Desk."),
        sentence("Create a channel in Setup → Messenger. Its own page shows what is missing."),
        is_checked=True,
    ),
    Step(
        "test",
        PAGES,
        sentence("A test message"),
        sentence("A message from Desk arrived in Messenger."),
        sentence("Write to your Page from your own Facebook account, then choose “Send yourself a test” on this page."),
        is_checked=True,
    ),
    Step(
        "business",
        APPROVAL,
        sentence("Business verification"),
        sentence("Advanced access, which works for the public, is given only to apps of a verified business."),
        sentence("Start it in Meta Business Suite → Settings → Security centre, for the portfolio that owns the app."),
    ),
    Step(
        "recording",
        APPROVAL,
        sentence("Screen recording"),
        sentence("The reviewers watch a recording of each permission and feature in use."),
        sentence("Record the script below, in English or with English captions."),
    ),
    Step(
        "submitted",
        APPROVAL,
        sentence("Submission"),
        sentence("The permissions and features are requested, with their texts, the recording and a login to Desk."),
        sentence(
            "Choose “Request advanced access” for each in %(place_text)s, copy the texts from below, answer the "
            "questions on data handling, and submit.",
            place_text=REVIEW,
        ),
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
    approved = (
        sentence("Meta approved the permission for people who have no role in the app.")
        if is_permission(name)
        else sentence("Meta approved the feature for people who have no role in the app.")
    )
    return Step(
        f"{ACCESS_PREFIX}{name}",
        APPROVAL,
        sentence("Advanced access: %(name)s", name=name),
        approved,
        sentence("%(place_text)s shows “Advanced access” for it.", place_text=REVIEW),
        is_checked=is_permission(name),
    )


_LIVE = (
    Step(
        "mode",
        LIVE,
        sentence("Live mode"),
        sentence("In development mode, only people with a role in the app can use it."),
        sentence("Turn the switch at the top of the App Dashboard from Development to Live (or choose Publish)."),
        is_checked=True,
    ),
    Step(
        "public",
        LIVE,
        sentence("A message from the public"),
        sentence("Somebody without a role in the app wrote to the Page, and got a reply."),
        sentence(
            "Ask somebody outside your company to write to the Page, and reply in the inbox. Tick this when they have "
            "it."
        ),
    ),
)


def steps() -> tuple[Step, ...]:
    """Return all steps of this installation, in order."""
    return (*_BEFORE_REVIEW, *(_access(name) for name in access_names()), *_LIVE)

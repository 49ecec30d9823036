"""What the pages here add to Setup: menu items, a step of a new installation, warnings about webhooks that fail."""

from datetime import timedelta

from django.contrib.auth.models import AnonymousUser
from django.db.models import Q
from django.urls import reverse
from django.utils import timezone

from channels_im.setup.access import may
from desk import site
from desk.models import Agent, User
from desk.sentences import counted, sentence
from tickets.models import EventSubscription
from tickets.services.webhooks import api_tokens

from .people.own_roles import SEE_ROLES
from .people.pages import SEE_PEOPLE

VIEW_TOKENS = ("tickets.view_apitoken", "tickets.add_apitoken", "tickets.delete_apitoken")
ADD_EVENTS = "tickets.add_eventsubscription"
CHANGE_EVENTS = "tickets.change_eventsubscription"
DELETE_EVENTS = "tickets.delete_eventsubscription"
VIEW_EVENTS = ("tickets.view_eventsubscription", ADD_EVENTS, CHANGE_EVENTS, DELETE_EVENTS)
WARN_AFTER = timedelta(minutes=30)


def register() -> None:
    """Add the menu items and the warnings to Setup. Called from `AppConfig.ready()`."""
    site.register_menu(
        site.MenuItem(sentence("People"), "people:list", SEE_PEOPLE, section=sentence("People"), order=40)
    )
    site.register_menu(
        site.MenuItem(sentence("Roles"), "people:roles", SEE_ROLES, section=sentence("People"), order=41)
    )
    site.register_step(
        site.Step(
            sentence("Invite your colleagues"),
            sentence("They get a link to choose a password. You choose their departments and channels."),
            "people:invite",
            sentence("Invite"),
            done=Agent.objects.exists,
            order=35,
        )
    )
    section = sentence("Integrations")
    site.register_menu(site.MenuItem(sentence("API tokens"), "programs:tokens", VIEW_TOKENS, section, order=70))
    site.register_menu(site.MenuItem(sentence("Webhooks"), "programs:events", VIEW_EVENTS, section, order=71))
    site.register_attention(attention)
    site.register_password_note(password_note)


def attention(user: User | AnonymousUser) -> list[site.Attention]:
    """Return warnings about webhooks that Desk disabled, and those that have been failing for WARN_AFTER."""
    if not may(user, *VIEW_EVENTS):
        return []
    failing = Q(is_active=True, failing_since__lt=timezone.now() - WARN_AFTER)
    disabled = Q(is_active=False) & ~Q(disabled_reason="")
    return [_warning(subscription) for subscription in EventSubscription.objects.filter(failing | disabled)]


def password_note(user: User) -> str:
    """Return how many API tokens still work after the password of `user` was set."""
    count = api_tokens.working(user).count()
    if not count:
        return ""
    return counted(
        "%(user)s has %(count)s API token that still works. Revoke it in API tokens if somebody else may know it.",
        "%(user)s has %(count)s API tokens that still work. Revoke them in API tokens if somebody else may know them.",
        count,
        user=user,
    )


def _warning(subscription: EventSubscription) -> site.Attention:
    if subscription.is_active:
        text, level = sentence("Deliveries to the webhook “%(name)s” fail.", name=subscription.name), "warning"
    else:
        reason = subscription.disabled_reason
        text = sentence("Webhook “%(name)s” — %(reason_text)s", name=subscription.name, reason_text=reason)
        level = "danger"
    url = reverse("programs:event_edit", args=[subscription.pk])
    return site.Attention(text, url, sentence("See why"), level)

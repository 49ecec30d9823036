"""The addresses of this Desk that are typed into the App Dashboard."""

from django.conf import settings
from django.urls import reverse

from desk import public_url


def host() -> str:
    """Return the host of DESK_PUBLIC_URL, for *App domains*."""
    return public_url.host_of(settings.PUBLIC_URL)


def webhook() -> str:
    """Return the callback URL of the webhook."""
    return settings.PUBLIC_URL + reverse("webhook")


def redirect() -> str:
    """Return the redirect URI of Facebook Login."""
    return settings.PUBLIC_URL + reverse("facebook_callback")


def deauthorize() -> str:
    """Return the address that Facebook calls when somebody removes the app."""
    return settings.PUBLIC_URL + reverse("deauthorize")


def data_deletion() -> str:
    """Return the address that Facebook calls when somebody asks for the deletion of their data."""
    return settings.PUBLIC_URL + reverse("data_deletion")


def data_deletion_help() -> str:
    """Return the page that says how people have their data deleted."""
    return settings.PUBLIC_URL + reverse("data_deletion_help")


def privacy_policy() -> str:
    """Return the page with the privacy policy."""
    return settings.PUBLIC_URL + reverse("privacy_policy")

"""System checks: settings that are missing or contradict each other (docs/operations.md)."""

from typing import Any
from urllib.parse import SplitResult, urlsplit

from django.conf import settings
from django.core import checks
from django.http.request import validate_host

LOOPBACK = frozenset({"localhost", "127.0.0.1", "::1"})

MISSING = {  # English only: for the command check
    "META_APP_ID": ("W001", "Facebook cannot be linked.", "Copy the app id from the dashboard of your Meta app."),
    "META_APP_SECRET": (
        "W002",
        "Every webhook is refused and no call to Facebook succeeds.",
        "Copy the app secret from the dashboard of your Meta app (App settings → Basic).",
    ),
    "META_VERIFY_TOKEN": (
        "W003",
        "Facebook cannot verify the webhook.",
        "Set it to any text, and type the same into the webhook form of your Meta app.",
    ),
}


def register() -> None:
    """Register the checks. Call it from `AppConfig.ready()`."""
    checks.register(meta_app)
    checks.register(meta_addresses, checks.Tags.security)
    checks.register(public_address)
    checks.register(public_https, checks.Tags.security, deploy=True)


def meta_app(**_options: Any) -> list[checks.CheckMessage]:
    """Warn of settings of the Meta app that are empty."""
    return [
        checks.Warning(f"{name} is not set. {effect}", hint=hint, id=f"channels_im.{number}")
        for name, (number, effect, hint) in MISSING.items()
        if not getattr(settings, name)
    ]


def meta_addresses(**_options: Any) -> list[checks.CheckMessage]:
    """Refuse addresses over which tokens would travel in clear: only this machine may be called without https."""
    errors: list[checks.CheckMessage] = []
    for name, number in (("META_GRAPH_URL", "E001"), ("META_DIALOG_URL", "E002")):
        address = _split(getattr(settings, name))
        if address is None or not (address.scheme == "https" or _is_loopback(address)):
            errors.append(
                checks.Error(
                    f"{name} is {getattr(settings, name)!r}: tokens and passwords would travel in clear.",
                    hint="It must begin with https://. Plain http is only for the sandbox on this machine (localhost).",
                    id=f"channels_im.{number}",
                )
            )
    return errors


def public_address(**_options: Any) -> list[checks.CheckMessage]:
    """Warn when Desk does not answer under its own public address."""
    address = _split(settings.PUBLIC_URL)
    if address is None:
        return [
            checks.Warning(
                f"DESK_PUBLIC_URL is {settings.PUBLIC_URL!r}, which is not a valid address.",
                hint="Write the full address, for example https://desk.example.com",
                id="channels_im.W004",
            )
        ]
    hostname = address.hostname or ""
    host = f"[{hostname}]" if ":" in hostname else hostname
    if validate_host(host, settings.ALLOWED_HOSTS):
        return []
    return [
        checks.Warning(
            f"Desk does not answer to its own address: DESK_ALLOWED_HOSTS lacks {host!r}.",
            hint=(
                f"Set DESK_ALLOWED_HOSTS={host}, the host of DESK_PUBLIC_URL. Until then every request is answered 400."
            ),
            id="channels_im.W005",
        )
    ]


def public_https(**_options: Any) -> list[checks.CheckMessage]:
    """Warn when the public address is not https: Meta calls webhooks and callbacks only over https."""
    if settings.HTTPS:
        return []
    return [
        checks.Warning(
            f"DESK_PUBLIC_URL is {settings.PUBLIC_URL!r}: Facebook delivers webhooks and redirects only to https.",
            hint="Put a proxy with TLS in front (docs/operations.md) and set DESK_PUBLIC_URL=https://…",
            id="channels_im.W006",
        )
    ]


def _split(url: str) -> SplitResult | None:
    try:
        address = urlsplit(url)
        return address if address.scheme in {"http", "https"} and address.hostname else None
    except ValueError:
        return None


def _is_loopback(address: SplitResult) -> bool:
    return address.hostname in LOOPBACK or (address.hostname or "").endswith(".localhost")

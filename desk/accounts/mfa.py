"""Two-step login: who must have it, its secrets encrypted, and how to take it away when a device is lost."""

from typing import Any

from allauth.mfa.adapter import DefaultMFAAdapter
from allauth.mfa.models import Authenticator
from django.conf import settings
from django.contrib.auth.models import AnonymousUser
from django.utils.translation import gettext, gettext_lazy

from desk import encryption, public_url
from desk.models import User

#: Recovery codes alone are no second step: they belong to one of these.
STEPS = (Authenticator.Type.TOTP, Authenticator.Type.WEBAUTHN)


class MfaAdapter(DefaultMFAAdapter):
    """allauth's two-step login with secrets encrypted by DESK_SECRET_KEY, and passkeys for DESK_PUBLIC_URL."""

    error_messages = {
        **DefaultMFAAdapter.error_messages,
        "incorrect_code": gettext_lazy(
            "This code is not correct, or was used already. Wait for the next one and try again."
        ),
    }

    def encrypt(self, text: str) -> str:
        return encryption.encrypt(text)

    def decrypt(self, encrypted_text: str) -> str:
        return encryption.decrypt_or_random(encrypted_text)

    def get_public_key_credential_rp_entity(self) -> dict[str, str]:
        """Return the site a passkey belongs to. It works on no other, so a false site cannot use it."""
        return {"id": public_url.host_of(settings.PUBLIC_URL), "name": "Desk"}  # English only: a name

    def generate_authenticator_name(self, user: User, type: Any) -> str:
        number = Authenticator.objects.filter(user=user, type=type).count() + 1
        return gettext("Passkey %(number)s") % {"number": number}


def must_set_up(user: User | AnonymousUser) -> bool:
    """Return whether DESK_REQUIRE_MFA demands a two-step login of this user, who has none."""
    if settings.DESK_REQUIRE_MFA == "off" or not user.is_authenticated:
        return False
    is_meant = settings.DESK_REQUIRE_MFA == "everyone" or user.is_staff or user.is_superuser
    return is_meant and not Authenticator.objects.filter(user=user, type__in=STEPS).exists()


def reset(user: User) -> int:
    """Remove every second step of a user and their recovery codes; return how many rows were removed."""
    removed, _by_model = Authenticator.objects.filter(user=user).delete()
    return removed

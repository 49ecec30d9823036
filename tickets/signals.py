"""React to changes of users."""

from typing import Any

from django.db.models.signals import post_save

from desk import audit_log
from desk.models import User
from tickets.services.webhooks import api_tokens


def connect() -> None:
    """Connect the receivers. Call it from `AppConfig.ready()`."""
    post_save.connect(_user_saved, sender=User, dispatch_uid="revoke_tokens_of_deactivated")


def _user_saved(instance: User, created: bool, raw: bool, **_kwargs: Any) -> None:
    """Revoke the API tokens of a user who is deactivated: they stay revoked when the user is activated again."""
    if not (instance.is_active or created or raw):
        api_tokens.revoke_all(audit_log.SYSTEM, instance, "The user was deactivated.")

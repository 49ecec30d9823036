"""React to changes of users."""

from typing import Any

from django.contrib.auth.signals import user_logged_out
from django.db import connection
from django.db.models.signals import post_save, pre_delete
from django.http import HttpRequest

from desk import audit_log
from desk.models import User
from desk.sentences import sentence
from tickets.models import Conversation
from tickets.services.notifications import browsers
from tickets.services.webhooks import api_tokens


def connect() -> None:
    """Connect the receivers. Call it from `AppConfig.ready()`."""
    post_save.connect(_user_saved, sender=User, dispatch_uid="revoke_tokens_of_deactivated")
    pre_delete.connect(_user_deleted, sender=User, dispatch_uid="lock_deleted_user_first")
    user_logged_out.connect(_logged_out, dispatch_uid="forget_browser_of_session")


def _user_saved(instance: User, created: bool, raw: bool, **_kwargs: Any) -> None:
    """Revoke the API tokens of a user who is deactivated: they stay revoked when the user is activated again."""
    if not (instance.is_active or created or raw):
        api_tokens.revoke_all(audit_log.SYSTEM, instance, sentence("The user was deactivated."))


def _user_deleted(instance: User, **_kwargs: Any) -> None:
    """Lock what the deletion of a user changes, in the transaction of the deletion, in the order of all others.

    A note that mentions them locks in the same order (`mentions.lock_people`), people and then conversations: the
    mention is either deleted too or refused. What they do themselves holds a conversation, and PostgreSQL asks for
    their row only at its commit: `no_key` lets it finish. Then no conversation is changed until the deletion is done.
    """
    User.objects.select_for_update(no_key=True).filter(pk=instance.pk).first()
    if connection.vendor == "postgresql":
        with connection.cursor() as cursor:
            cursor.execute(f"LOCK TABLE {connection.ops.quote_name(Conversation._meta.db_table)} IN EXCLUSIVE MODE")


def _logged_out(request: HttpRequest | None, **_kwargs: Any) -> None:
    """Send no more notifications to the browser in which somebody logs out."""
    if request is not None:
        browsers.logged_out(request.session.session_key)

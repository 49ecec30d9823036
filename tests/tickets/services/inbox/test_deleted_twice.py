"""Two administrators delete the same thing: the second finds it gone, and the history says it once."""

from collections.abc import Callable
from copy import copy
from typing import Any

import pytest
from django.contrib.auth.models import Group

from desk import audit_log
from desk.models import AuditEntry, User
from tests import factories
from tickets.models import CannedReply, CustomField, EventSubscription, Label, Macro, SavedView
from tickets.services.inbox import canned_replies, field_setup, labels, macros, saved_views
from tickets.services.people import own_roles
from tickets.services.webhooks import subscriptions

pytestmark = pytest.mark.django_db

MADE: dict[str, tuple[Callable[[], Any], Callable[[User, Any], object]]] = {
    "macro": (lambda: Macro.objects.create(name="Refund", actions=[]), macros.delete),
    "canned reply": (lambda: CannedReply.objects.create(shortcut="hi", title="Hi", text="Hi"), canned_replies.delete),
    "label": (lambda: Label.objects.create(name="New", key="new"), labels.delete),
    "field": (
        lambda: CustomField.objects.create(of="ticket", kind="text", name="Plan", key="plan"),
        field_setup.delete,
    ),
    "view": (lambda: SavedView.objects.create(name="Mine", filter={}), saved_views.delete),
    "webhook": (lambda: EventSubscription.objects.create(name="CRM", url="https://crm.test/"), subscriptions.delete),
    "role": (lambda: Group.objects.create(name="Night shift"), own_roles.delete),
}


@pytest.mark.parametrize("kind", MADE)
def test_the_history_says_it_once(kind: str) -> None:
    make, delete = MADE[kind]
    by, row = factories.make_admin(), make()
    twin = copy(row)
    delete(by, row)
    delete(by, twin)
    assert AuditEntry.objects.filter(action=audit_log.DELETION).count() == 1
    assert not type(twin)._default_manager.filter(pk=twin.pk).exists()

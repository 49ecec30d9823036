"""The migration that moves Django's history into ours."""

from datetime import timedelta
from importlib import import_module

import pytest
from django.apps import apps
from django.contrib.admin.models import ADDITION, CHANGE, DELETION, LogEntry
from django.contrib.auth.models import Permission
from django.contrib.contenttypes.models import ContentType
from django.utils import timezone

from desk import audit_log
from desk.models import AuditEntry, Department
from tests import factories

migration = import_module("desk.migrations.0002_audit_entry")
pytestmark = pytest.mark.django_db


def test_every_line_is_moved_with_names_and_sentences() -> None:
    admin = factories.make_user("admin", first_name="Ada", last_name="Fields")
    department = factories.make_department("Sales")
    kind = ContentType.objects.get_for_model(Department)
    for flag, message in (
        (ADDITION, '[{"added": {}}]'),
        (CHANGE, '[{"changed": {"fields": ["Name"]}}]'),
        (CHANGE, "Threading intermission changed from 60 to 120 minutes."),
        (DELETION, "Deleted."),
    ):
        LogEntry.objects.create(
            user=admin,
            content_type=kind,
            object_id=str(department.pk),
            object_repr="Sales",
            action_flag=flag,
            change_message=message,
            action_time=timezone.now() - timedelta(days=9),
        )
    migration.move_history(apps, None)
    entries = audit_log.entries_of(department)[::-1]
    assert [(entry.action, entry.sentence) for entry in entries] == [
        ("added", "Added."),
        ("changed", "Changed Name."),
        ("changed", "Threading intermission changed from 60 to 120 minutes."),
        ("deleted", "Deleted."),
    ]
    assert {(entry.actor, entry.actor_name, entry.object_name) for entry in entries} == {
        (admin, "Ada Fields (admin)", "Sales")
    }
    assert all(timezone.now() - entry.at > timedelta(days=8) for entry in entries)
    assert not LogEntry.objects.exists()

    migration.move_back(apps, None)
    assert [row.change_message for row in LogEntry.objects.order_by("pk")][2].startswith("Threading intermission")


def test_who_could_read_the_old_one_can_read_this() -> None:
    user = factories.make_user("staff", is_staff=True)
    user.user_permissions.add(Permission.objects.get(codename="view_logentry"))
    migration.move_history(apps, None)
    assert user.user_permissions.filter(codename="view_auditentry").count() == 1
    assert not AuditEntry.objects.exists()

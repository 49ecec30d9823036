from typing import Any

import django.db.models.deletion
import django.utils.timezone
from django.conf import settings
from django.contrib.admin.models import ADDITION, CHANGE, DELETION, LogEntry
from django.db import migrations, models

ACTIONS = {ADDITION: "added", CHANGE: "changed", DELETION: "deleted"}
FLAGS = {"added": ADDITION, "deleted": DELETION}
BATCH = 1000  # rows


def move_history(apps: Any, schema_editor: Any) -> None:
    """Move Django's history into AuditEntry, in the order in which it was written, and who may read it."""
    Entry, Old = apps.get_model("desk", "AuditEntry"), apps.get_model("admin", "LogEntry")
    old_rows = Old.objects.select_related("user").order_by("action_time", "pk")
    batch = []
    for row in old_rows.iterator(chunk_size=BATCH):
        batch.append(_entry(Entry, row))
        if len(batch) == BATCH:
            Entry.objects.bulk_create(batch)
            batch = []
    Entry.objects.bulk_create(batch)
    Old.objects.all().delete()
    _move_permission(apps)


def _entry(Entry: Any, row: Any) -> Any:
    full_name = f"{row.user.first_name} {row.user.last_name}".strip()
    # The message may be JSON: Django's own class writes it as a sentence.
    message = LogEntry(action_flag=row.action_flag, change_message=row.change_message).get_change_message()
    return Entry(
        at=row.action_time,
        actor_kind="user",
        actor_id=row.user_id,
        actor_name=(f"{full_name} ({row.user.username})" if full_name else row.user.username)[:200],
        action=ACTIONS.get(row.action_flag, "changed"),
        content_type_id=row.content_type_id,
        object_id=(row.object_id or "")[:64],
        object_name=row.object_repr,
        sentence=message,
    )


def _move_permission(apps: Any) -> None:
    """Let everybody who could read Django's history read this one."""
    ContentType, Permission = apps.get_model("contenttypes", "ContentType"), apps.get_model("auth", "Permission")
    old = Permission.objects.filter(content_type__app_label="admin", codename="view_logentry").first()
    if old is None:
        return  # a new database: nobody has it
    content_type, _new = ContentType.objects.get_or_create(app_label="desk", model="auditentry")
    new, _new = Permission.objects.get_or_create(
        content_type=content_type, codename="view_auditentry", defaults={"name": "Can view history entry"}
    )
    for user in apps.get_model("desk", "User").objects.filter(user_permissions=old):
        user.user_permissions.add(new)
    for group in apps.get_model("auth", "Group").objects.filter(permissions=old):
        group.permissions.add(new)


def move_back(apps: Any, schema_editor: Any) -> None:
    """Move what users did back into Django's history; it has no place for the rest."""
    Entry, Old = apps.get_model("desk", "AuditEntry"), apps.get_model("admin", "LogEntry")
    for entry in Entry.objects.exclude(actor=None).order_by("pk").iterator(chunk_size=BATCH):
        row = Old.objects.create(
            user_id=entry.actor_id,
            content_type_id=entry.content_type_id,
            object_id=entry.object_id,
            object_repr=entry.object_name,
            action_flag=FLAGS.get(entry.action, CHANGE),
            change_message=entry.sentence,
        )
        Old.objects.filter(pk=row.pk).update(action_time=entry.at)


class Migration(migrations.Migration):
    dependencies = [
        ("admin", "0003_logentry_add_action_flag_choices"),
        ("auth", "0012_alter_user_first_name_max_length"),
        ("contenttypes", "0002_remove_content_type_name"),
        ("desk", "0001_initial"),
    ]

    operations = [
        migrations.CreateModel(
            name="AuditEntry",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("at", models.DateTimeField(db_index=True, default=django.utils.timezone.now)),
                (
                    "actor_kind",
                    models.CharField(
                        choices=[
                            ("user", "User"),
                            ("facebook", "Facebook"),
                            ("system", "Desk"),
                            ("unknown", "Not logged in"),
                        ],
                        default="user",
                        max_length=8,
                    ),
                ),
                (
                    "actor_name",
                    models.CharField(help_text="As it was then; for a failed login the name typed.", max_length=200),
                ),
                (
                    "action",
                    models.CharField(
                        choices=[
                            ("added", "Added"),
                            ("changed", "Changed"),
                            ("deleted", "Deleted"),
                            ("login", "Logged in"),
                            ("login_failed", "Login failed"),
                            ("logout", "Logged out"),
                            ("password", "Password changed"),
                            ("email", "E-mail changed"),
                            ("mfa", "Two-factor login changed"),
                            ("linked", "Facebook linked"),
                            ("contact", "Customer edited"),
                            ("viewed", "Raw data viewed"),
                            ("exported", "Exported"),
                            ("token", "API token changed"),
                            ("erased", "Erased"),
                            ("blocked", "Blocked or unblocked"),
                            ("facebook", "Notice from Facebook"),
                        ],
                        max_length=12,
                    ),
                ),
                ("object_id", models.CharField(blank=True, max_length=64)),
                ("object_name", models.CharField(blank=True, max_length=200)),
                ("sentence", models.TextField(blank=True)),
                ("address", models.GenericIPAddressField(blank=True, null=True)),
                (
                    "via",
                    models.CharField(
                        choices=[("page", "Page"), ("token", "API token"), ("internal", "Desk itself")],
                        default="internal",
                        max_length=8,
                    ),
                ),
                (
                    "token_name",
                    models.CharField(blank=True, help_text="Name and prefix of the API token.", max_length=120),
                ),
                (
                    "count",
                    models.PositiveIntegerField(
                        default=1, help_text="How often, when repeats are counted in one line."
                    ),
                ),
                ("last_at", models.DateTimeField(blank=True, help_text="The last of the repeats.", null=True)),
                (
                    "actor",
                    models.ForeignKey(
                        blank=True,
                        null=True,
                        on_delete=django.db.models.deletion.SET_NULL,
                        related_name="audit_entries",
                        to=settings.AUTH_USER_MODEL,
                    ),
                ),
                (
                    "content_type",
                    models.ForeignKey(
                        blank=True,
                        null=True,
                        on_delete=django.db.models.deletion.SET_NULL,
                        related_name="+",
                        to="contenttypes.contenttype",
                    ),
                ),
            ],
            options={
                "verbose_name": "history entry",
                "verbose_name_plural": "history",
                "ordering": ["-id"],
                "indexes": [
                    models.Index(fields=["content_type", "object_id", "-id"], name="audit_of_object"),
                    models.Index(fields=["actor", "-id"], name="audit_of_actor"),
                    models.Index(fields=["action", "-at"], name="audit_of_action"),
                ],
            },
        ),
        migrations.RunPython(move_history, move_back),
    ]

import hashlib
from typing import Any

import django.db.models.deletion
import django.utils.timezone
from django.apps.registry import Apps
from django.conf import settings
from django.db import migrations, models
from django.db.migrations.recorder import MigrationRecorder

OLD_TABLE = "authtoken_token"  # of rest_framework.authtoken, which is no longer installed
OLD_APP = "authtoken"
ALL_SCOPES = ["read", "reply", "manage", "erase"]
SHOWN = 8  # characters of a key


def move_tokens(apps: Any, schema_editor: Any) -> None:
    """Store the digests of the old keys, so that clients keep working, and delete the keys with their table."""
    connection = schema_editor.connection
    if OLD_TABLE in connection.introspection.table_names():
        if connection.vendor == "sqlite":
            connection.cursor().execute("PRAGMA secure_delete = ON")  # overwrite what is deleted
        Old, Token = _old_model(), apps.get_model("tickets", "ApiToken")
        for old in Old.objects.using(connection.alias).order_by("created", "key"):
            Token.objects.create(
                user_id=old.user_id,
                name="Migrated",
                prefix=old.key[:SHOWN],
                digest=hashlib.sha256(old.key.encode()).hexdigest(),
                scopes=ALL_SCOPES,
                created_at=old.created,
            )
        Old.objects.using(connection.alias).all().delete()
        schema_editor.execute(f"DROP TABLE {schema_editor.quote_name(OLD_TABLE)}")
        MigrationRecorder(connection).migration_qs.filter(app=OLD_APP).delete()
    _move_permissions(apps)


def _old_model() -> Any:
    """Return a model of the old table. Only this migration knows it."""

    class Token(models.Model):  # noqa: DJ008 - nobody prints it
        key = models.CharField(max_length=40, primary_key=True)
        user_id = models.BigIntegerField()
        created = models.DateTimeField()

        class Meta:
            apps = Apps()
            app_label = OLD_APP
            db_table = OLD_TABLE

    return Token


def _move_permissions(apps: Any) -> None:
    """Let everybody who could manage the old tokens manage these."""
    ContentType, Permission = apps.get_model("contenttypes", "ContentType"), apps.get_model("auth", "Permission")
    old_types = ContentType.objects.filter(app_label=OLD_APP)
    for old in Permission.objects.filter(content_type__in=old_types.filter(model="token")):
        verb = old.codename.partition("_")[0]
        content_type, _new = ContentType.objects.get_or_create(app_label="tickets", model="apitoken")
        new, _new = Permission.objects.get_or_create(
            content_type=content_type, codename=f"{verb}_apitoken", defaults={"name": f"Can {verb} API token"}
        )
        for user in apps.get_model("desk", "User").objects.filter(user_permissions=old):
            user.user_permissions.add(new)
        for group in apps.get_model("auth", "Group").objects.filter(permissions=old):
            group.permissions.add(new)
    old_types.delete()


class Migration(migrations.Migration):
    dependencies = [
        ("admin", "0003_logentry_add_action_flag_choices"),
        ("auth", "0012_alter_user_first_name_max_length"),
        ("contenttypes", "0002_remove_content_type_name"),
        ("desk", "0002_audit_entry"),
        ("tickets", "0005_erasure_log"),
        migrations.swappable_dependency(settings.AUTH_USER_MODEL),
    ]

    operations = [
        migrations.CreateModel(
            name="ApiToken",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("name", models.CharField(max_length=80)),
                ("prefix", models.CharField(help_text="The beginning of the key, to recognise it.", max_length=16)),
                (
                    "digest",
                    models.CharField(
                        help_text="SHA-256 of the key, in hexadecimal digits.", max_length=64, unique=True
                    ),
                ),
                ("scopes", models.JSONField(default=list)),
                ("created_at", models.DateTimeField(default=django.utils.timezone.now)),
                ("expires_at", models.DateTimeField(blank=True, null=True)),
                (
                    "last_used_at",
                    models.DateTimeField(blank=True, help_text="Written at most once a minute.", null=True),
                ),
                ("revoked_at", models.DateTimeField(blank=True, null=True)),
                (
                    "created_by",
                    models.ForeignKey(
                        blank=True,
                        null=True,
                        on_delete=django.db.models.deletion.SET_NULL,
                        related_name="+",
                        to=settings.AUTH_USER_MODEL,
                    ),
                ),
                (
                    "user",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="api_tokens",
                        to=settings.AUTH_USER_MODEL,
                    ),
                ),
            ],
            options={
                "verbose_name": "API token",
                "ordering": ["-id"],
            },
        ),
        # The keys cannot be brought back: a step back leaves no tokens.
        migrations.RunPython(move_tokens, migrations.RunPython.noop),
    ]

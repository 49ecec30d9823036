"""The migration from the tokens of Django REST framework: clients keep working, and no key stays."""

from importlib import import_module

import pytest
from django.apps import apps
from django.contrib.auth.models import Group, Permission
from django.contrib.contenttypes.models import ContentType
from django.db import connection
from django.test import Client
from django.utils import timezone

from tests import factories
from tickets.models import ApiToken

KEY = "0a1b2c3d4e5f6a7b8c9d0a1b2c3d4e5f6a7b8c9d"
migration = import_module("tickets.migrations.0006_api_tokens")


def run() -> None:
    migration.move_tokens(apps, connection.schema_editor())


@pytest.mark.django_db
def test_old_keys_become_digests_and_work() -> None:
    alice = factories.make_agent("alice")
    user = connection.ops.quote_name("desk_user")
    created = timezone.now().replace(microsecond=0)
    with connection.cursor() as cursor:
        cursor.execute(
            "CREATE TABLE authtoken_token (key varchar(40) PRIMARY KEY, created timestamp with time zone NOT NULL, "
            f"user_id bigint NOT NULL UNIQUE REFERENCES {user} (id))"
            if connection.vendor == "postgresql"
            else "CREATE TABLE authtoken_token (key varchar(40) PRIMARY KEY, created datetime NOT NULL, "
            f"user_id bigint NOT NULL UNIQUE REFERENCES {user} (id))"
        )
        cursor.execute("INSERT INTO authtoken_token VALUES (%s, %s, %s)", [KEY, created, alice.pk])
    run()
    token = ApiToken.objects.get()
    assert (token.user, token.name, token.prefix, token.created_at) == (alice, "Migrated", KEY[:8], created)
    assert token.scopes == ["read", "reply", "manage", "erase"]
    assert "authtoken_token" not in connection.introspection.table_names()
    for scheme in ("Token", "Bearer"):
        answer = Client().get("/api/v1/channels/", headers={"Authorization": f"{scheme} {KEY}"})
        assert answer.status_code == 200


@pytest.mark.django_db
def test_who_could_manage_tokens_still_can() -> None:
    old_type = ContentType.objects.create(app_label="authtoken", model="token")
    old = Permission.objects.create(content_type=old_type, codename="add_token", name="Can add Token")
    user, group = factories.make_user("staff", is_staff=True), Group.objects.create(name="Integrators")
    user.user_permissions.add(old)
    group.permissions.add(old)
    run()
    new = Permission.objects.get(codename="add_apitoken")
    assert list(user.user_permissions.all()) == list(group.permissions.all()) == [new]
    assert not ContentType.objects.filter(app_label="authtoken").exists()

"""What a database holds, as people and programs see it: the answers of the API, the pages, and the rows of each table.

`RunningDesk.call` runs the functions in a process that has the settings of the database.
"""

from datetime import datetime
from typing import Any

import time_machine
from django.apps import apps
from django.conf import settings
from django.core.management import call_command
from django.test import Client, override_settings
from django.urls import reverse

from desk import demo_guard, key_rotation
from desk.models import User
from tickets.models import Conversation

RESOURCES = ("channels", "conversations", "tickets", "messages", "contacts", "erasures", "departments", "agents")
PAGES = ("inbox", "admin:index", "setup:messenger", "setup:preferences", "setup:health", "setup:journal")
APPS = ("desk", "channels_im", "tickets")


def upgrade() -> None:
    """Do what an update does to the database. Raises when a migration fails or a check finds something."""
    call_command("migrate", verbosity=0)
    call_command("check", fail_level="ERROR")


def read(token: str, at: str) -> dict[str, Any]:
    """Return the rows of each table of ours and all that the API tells; `at` is the time of reading (ISO 8601)."""
    with time_machine.travel(datetime.fromisoformat(at), tick=False):
        client = Client(headers={"Authorization": f"Token {token}", "Host": "localhost"})
        resources = {name: _all_of(client, f"/api/v1/{name}/") for name in (*RESOURCES, "canned-replies")}
    return {"rows": _rows(), "api": resources}


def broken_pages() -> list[str]:
    """Return the pages that the administrator cannot open, with the status of the answer."""
    client = Client(headers={"Host": "localhost"})
    client.force_login(User.objects.get(username="admin"))
    plain = {"BACKEND": "django.contrib.staticfiles.storage.StaticFilesStorage"}  # static files are not collected here
    conversations = [reverse("conversation", args=[pk]) for pk in Conversation.objects.values_list("pk", flat=True)]
    with override_settings(STORAGES=settings.STORAGES | {"staticfiles": plain}):
        answers = {url: client.get(url).status_code for url in (*map(reverse, PAGES), *conversations)}
    return [f"{url}: {status}" for url, status in answers.items() if status != 200]


def undecryptable() -> list[str]:
    """Return the encrypted columns with values that this key does not open."""
    return [str(column) for column in key_rotation.inspect() if column.unreadable]


def _rows() -> dict[str, int]:
    models = [model for app in APPS for model in apps.get_app_config(app).get_models()]
    return {model._meta.db_table: model._base_manager.count() for model in models}


def _all_of(client: Client, url: str | None) -> list[Any]:
    found = []
    while url:
        answer = client.get(url)
        if answer.status_code != 200:
            raise AssertionError(f"{url}: {answer.status_code} {answer.content[:300]!r}")
        page = answer.json()
        found += page["results"]
        url = page["next"]
    return found


def demo_users() -> list[str]:
    """Return the names of the users who can log in with the password that everybody knows."""
    return [user.username for user in demo_guard.demo_users() if user.is_active]

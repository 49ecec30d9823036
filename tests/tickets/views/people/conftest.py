"""An administrator in front of People, and somebody who manages people but is no administrator."""

from typing import Any

import pytest
from django.contrib.auth.models import Permission
from django.test import Client

from desk.models import User
from tests.factories import make_admin, make_user
from tickets.services.people import roles

MANAGES = ("view_user", "change_user", "add_user", "change_agent", "change_impreferences")


@pytest.fixture
def administrator(db: None) -> User:
    return make_admin()


@pytest.fixture
def setup(administrator: User) -> Client:
    return client_of(administrator)


@pytest.fixture
def manager(db: None) -> User:
    user = make_user("manager", is_staff=True)
    user.user_permissions.set(Permission.objects.filter(codename__in=MANAGES))
    return user


def client_of(user: User) -> Client:
    client = Client()
    client.force_login(user)
    return client


def invitation_form(**changes: Any) -> dict[str, Any]:
    """Return the fields of an invitation."""
    fields = {"first_name": "Mia", "last_name": "Berg", "email": "mia@shop.example", "role": roles.AGENT}
    return fields | changes


def person_form(user: User, **changes: Any) -> dict[str, Any]:
    """Return the form of a person as it is, with changes."""
    agent = getattr(user, "agent", None)
    shown = ("first_name", "last_name", "email", "username", "language")
    fields: dict[str, Any] = {field: getattr(user, field) for field in shown}
    fields["role"] = roles.role_of(user).key
    fields["departments"] = list(agent.departments.values_list("pk", flat=True)) if agent else []
    fields["channels"] = list(agent.channels.values_list("pk", flat=True)) if agent else []
    return fields | changes

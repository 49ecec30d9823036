"""Setup → Assignment."""

from collections.abc import Callable
from datetime import timedelta

import pytest
from django.contrib.auth.models import Permission
from django.test import Client
from django.utils import timezone

from desk import audit_log
from desk.models import User
from tests.http import Response
from tests.pages import html_of
from tickets.models import AssignmentSettings, Availability, Conversation, Ticket
from tickets.services.inbox import automatic_assignment

from . import world

URL = "/admin/instant-messaging/preferences/assignment/"
FORM = {
    "on_reply": "always",
    "mode": "least_loaded",
    "last_agent_first": "on",
    "capacity": "7",
    "hand_back_minutes": "",
}


@pytest.fixture
def setup(desk: world.Desk, as_user: Callable[[User], Client]) -> Client:
    return as_user(desk.root)


def save(client: Client, desk: world.Desk, **fields: str) -> Response:
    return client.post(URL, {"department": str(desk.sales.pk), **FORM, **fields})


def test_the_settings_are_saved_and_stand_in_the_history(desk: world.Desk, setup: Client) -> None:
    own = f"capacity_{desk.alice.agent.pk}"
    assert own in html_of(setup.get(URL, {"department": desk.sales.pk}))
    assert save(setup, desk, hand_back_minutes="15", **{own: "0"}).status_code == 302
    saved = AssignmentSettings.objects.get(department=desk.sales)
    assert (saved.on_reply, saved.mode, saved.capacity, saved.last_agent_first, saved.hand_back_minutes) == (
        "always", "least_loaded", 7, True, 15,
    )  # fmt: skip
    assert Availability.objects.get(agent=desk.alice.agent).capacity == 0
    assert {entry.sentence for entry in audit_log.entries_of(desk.sales)} == {
        "After a reply: Assign it to the one who replied.",
        "Automatic assignment: To the least loaded agent.",
        "Capacity of agents: 7 open conversations.",
        "Conversations of agents who are away are handed back after 15 minutes.",
    }
    assert audit_log.entries_of(desk.alice.agent)[0].sentence == "Own capacity: 0 open conversations."
    assert not AssignmentSettings.objects.filter(department=desk.support).exists()
    save(setup, desk, hand_back_minutes="15", **{own: ""})
    assert Availability.objects.get(agent=desk.alice.agent).capacity is None
    assert len(audit_log.entries_of(desk.sales)) == 4


@pytest.mark.parametrize(
    ("fields", "says"),
    [
        ({"capacity": "0"}, "Enter a number from 1 to 500."),
        ({"capacity": "many"}, "Enter a whole number."),
        ({"hand_back_minutes": "1441"}, "Enter a number from 1 to 1440."),
        ({"mode": "magic"}, "Nothing was saved."),
        ({"on_reply": ""}, "Choose what a reply does."),
    ],
)
def test_anything_else_is_refused(desk: world.Desk, setup: Client, fields: dict[str, str], says: str) -> None:
    refused = save(setup, desk, **fields)
    assert (refused.status_code, says in html_of(refused)) == (422, True)
    assert not AssignmentSettings.objects.exists()


def test_the_preview_says_who_would_have_got_what_and_saves_nothing(
    desk: world.Desk, setup: Client, conversation: Conversation
) -> None:
    now = timezone.now()
    for number in range(3):
        world.make_conversation(desk.shop, at=now - timedelta(hours=number + 1))
    old = world.make_conversation(desk.shop, at=now - timedelta(days=8))
    assert Ticket.objects.filter(conversation=old).exists()
    world.make_conversation(desk.service, at=now)
    own = f"capacity_{desk.alice.agent.pk}"
    shown = html_of(save(setup, desk, preview="yes", mode="off", **{own: "3"}))
    rows = [" ".join(row.split()) for row in shown.split("<tr>")]
    assert any(">Alice</th> <td> 3 conversations </td> <td> 3 of 3 at once </td>" in row for row in rows), rows
    assert any(">Nobody</th> <td> 1 conversation </td>" in row for row in rows)
    assert "Who was online is not known of the past" in shown
    assert f'name="{own}" value="3"' in shown  # what was typed stays
    assert not AssignmentSettings.objects.exists()
    assert not automatic_assignment.is_due()


def test_who_may_only_view_changes_nothing_and_agents_see_nothing(
    desk: world.Desk, alice: Client, as_user: Callable[[User], Client]
) -> None:
    assert alice.get(URL).status_code == 403
    viewer = User.objects.create_user("viewer", password="desk-demo", is_staff=True)
    viewer.user_permissions.add(Permission.objects.get(codename="view_impreferences"))
    client = as_user(viewer)
    assert ">Save</button>" not in html_of(client.get(URL))
    assert save(client, desk).status_code == 302
    assert save(client, desk, preview="yes").status_code == 200
    assert not AssignmentSettings.objects.exists()
    assert alice.post(URL, FORM).status_code == 403

"""What somebody who may manage people, but is no administrator, must not get by it."""

import logging

import pytest
from django.test import Client

from desk.accounts import invitations
from desk.errors import Refused
from desk.logs import PlainFormatter
from desk.models import Invitation, User
from tests.factories import make_agent, make_channel, make_conversation, make_user
from tests.pages import html_of
from tickets.services.conversation import access
from tickets.services.people import changes, deactivation, roles

from .conftest import client_of, person_form

PASSWORD = "a-long-passw0rd"


@pytest.fixture
def invited(manager: User) -> User:
    user, _link = changes.invite(
        manager,
        first_name="Bob",
        last_name="",
        email="bob@shop.example",
        role=roles.BUILT_IN[roles.AGENT],
        place=changes.Place(),
    )
    return user


def token_of(by: User, user: User) -> str:
    return invitations.send(by, user).rstrip("/").rpartition("/")[2]


def test_a_link_ends_when_its_person_gets_another_role(setup: Client, manager: User, invited: User) -> None:
    token = token_of(manager, invited)
    setup.post(f"/admin/people/{invited.pk}/", person_form(invited, role=roles.ADMINISTRATOR))
    assert User.objects.get(pk=invited.pk).is_superuser
    assert invitations.accept(token, PASSWORD) is None
    assert not User.objects.get(pk=invited.pk).is_active


def test_a_link_is_not_sent_again_after_it_was_accepted(manager: User, invited: User) -> None:
    assert invitations.accept(token_of(manager, invited), PASSWORD)
    with pytest.raises(Refused, match="accepted"):
        invitations.send(manager, invited)
    assert not Invitation.objects.exists()


def test_an_invitation_left_on_an_active_person_deletes_and_activates_nobody(
    setup: Client, administrator: User, manager: User
) -> None:
    alice = make_agent("alice")
    Invitation.objects.create(user=alice, digest=invitations._digest("token"))
    assert invitations.accept("token", PASSWORD) is None
    assert "has accepted the invitation" in html_of(setup.post(f"/admin/people/{alice.pk}/revoke/", follow=True))
    deactivation.deactivate(administrator, alice, None)
    assert invitations.accept("token", PASSWORD) is None
    assert not User.objects.get(pk=alice.pk).is_active


@pytest.mark.usefixtures("administrator")
def test_somebody_who_was_promoted_meanwhile_is_not_changed(manager: User) -> None:
    alice = make_agent("alice")
    User.objects.filter(pk=alice.pk).update(is_superuser=True, is_staff=True)  # after the page was opened
    details = changes.Details("Alice", "", "manager@evil.example", "alice", "")
    with pytest.raises(Refused, match="more rights"):
        changes.change(manager, alice, details, None, changes.Place())
    with pytest.raises(Refused, match="more rights"):
        deactivation.deactivate(manager, alice, None)
    alice.refresh_from_db()
    assert (alice.email, alice.is_active) == ("", True)


def test_a_password_cannot_be_disabled(setup: Client, administrator: User) -> None:
    answer = setup.post(f"/admin/desk/user/{administrator.pk}/password/", {"usable_password": "false"})
    assert answer.status_code == 200
    assert User.objects.get(pk=administrator.pk).password == administrator.password


def test_an_address_that_another_person_took_does_not_block_saving(setup: Client, administrator: User) -> None:
    make_user("eve", email=administrator.email)
    answer = setup.post(f"/admin/people/{administrator.pk}/", person_form(administrator, first_name="Ada"))
    assert answer.status_code == 302


def test_the_log_has_no_token_of_an_invitation() -> None:
    record = logging.makeLogRecord({"msg": "Unprocessable Entity: /accounts/invitation/Abc-123_x/"})
    assert "Abc-123_x" not in PlainFormatter().format(record)


def test_a_lead_sees_the_channels_of_their_departments(db: None) -> None:
    sales, other = make_channel(name="Sales"), make_channel(name="Other")
    for channel in (sales, other):
        make_conversation(channel)
    lead = make_agent("lead", departments=(sales.department,))
    assert not access.channels_for(lead).exists()
    roles.give(lead, roles.BUILT_IN[roles.LEAD])
    assert list(access.channels_for(User.objects.get(pk=lead.pk))) == [sales]


def test_a_manager_cannot_open_the_form_of_an_administrator(manager: User, administrator: User) -> None:
    answer = client_of(manager).post(f"/admin/people/{administrator.pk}/", person_form(administrator))
    assert answer.status_code == 403


@pytest.mark.parametrize("field", ["departments", "channels"])
@pytest.mark.parametrize("value", [str(2**63), "9" * 5000, "a\0b"])
def test_an_id_that_no_row_can_have_is_refused_at_its_field(setup: Client, field: str, value: str) -> None:
    alice = make_agent("alice")
    answer = setup.post(f"/admin/people/{alice.pk}/", person_form(alice, **{field: [value]}))
    assert answer.status_code == 422

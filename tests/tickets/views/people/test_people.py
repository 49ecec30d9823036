"""The list of people, the page of a person, and what is saved there."""

import pytest
from django.contrib.auth.models import Group, Permission
from django.test import Client
from django.utils import timezone

from channels_im.models import ChannelAgent
from desk.models import AuditEntry, Invitation, User
from tests.factories import make_admin, make_agent, make_channel, make_conversation, make_department, make_user, receive
from tests.http import Response
from tests.pages import html_of
from tickets.services.people import roles

from .conftest import client_of, person_form

LIST = "/admin/people/"


def save(client: Client, user: User, **changes: object) -> Response:
    return client.post(f"{LIST}{user.pk}/", person_form(user, **changes), follow=True)


def sentences(user: User) -> list[str]:
    return list(AuditEntry.objects.filter(object_id=str(user.pk)).order_by("pk").values_list("sentence", flat=True))


# --- The list
def test_the_list_says_who_works_where(setup: Client) -> None:
    conversation = make_conversation(make_channel(name="Shop", department=make_department("Sales")))
    alice = make_agent("alice", channels=(conversation.channel,))
    receive(conversation)
    conversation.refresh_from_db()
    conversation.assignee = alice
    conversation.save()
    page = html_of(setup.get(f"{LIST}?q=alice"))
    row = page[page.index("<tbody>") : page.index("</tbody>")]
    for part in ("alice", "Agent", "Sales", "Shop", "Online", ">1</td>", "Never"):
        assert part in row
    assert "<h1>People</h1>" in page
    assert 'href="/admin/people/" class="is-here" aria-current="page">People</a>' in page


def test_search_and_chips_narrow_the_list(setup: Client) -> None:
    make_user("alice", first_name="Alice", last_name="Moreau", email="am@shop.example")
    make_user("gone", is_active=False)
    Invitation.objects.create(user=make_user("mia", is_active=False), digest="x")

    def shown(query: str) -> set[str]:
        page = html_of(setup.get(f"{LIST}?{query}"))
        body = page.partition("<tbody>")[2].partition("</tbody>")[0]
        return {name for name in ("admin", "Alice Moreau", "gone", "mia") if f">{name}</a>" in body}

    assert shown("") == {"admin", "Alice Moreau", "gone", "mia"}
    assert shown("q=moreau") == shown("q=am@shop") == {"Alice Moreau"}
    assert shown("state=deactivated") == {"gone"}
    assert shown("state=invited") == {"mia"}
    assert shown("role=administrator") == {"admin"}
    assert shown("role=administrator&state=invited") == set()
    assert "Nothing matches" in html_of(setup.get(f"{LIST}?q=nobody"))


def test_the_list_makes_the_same_queries_for_many(setup: Client, django_assert_max_num_queries: object) -> None:
    from django.db import connection
    from django.test.utils import CaptureQueriesContext

    counts = []
    for _ in range(2):
        make_agent(channels=(make_channel(),))
        make_agent(channels=(make_channel(),))
        with CaptureQueriesContext(connection) as queries:
            setup.get(LIST)
        counts.append(len(queries))
    assert counts[0] == counts[1]


@pytest.mark.parametrize("address", ["", "invite/", "{pk}/", "{pk}/deactivate/"])
def test_people_is_for_who_may_see_it(db: None, address: str) -> None:
    alice, lead = make_agent("alice"), make_agent("lead")
    roles.give(lead, roles.BUILT_IN[roles.LEAD])
    url = f"{LIST}{address.format(pk=alice.pk)}"
    for user in (alice, lead, make_user(is_staff=True)):
        assert client_of(user).get(url).status_code == 403
    assert Client().get(url).status_code == 302
    assert client_of(make_admin()).get(url).status_code == 200


def test_who_may_only_view_changes_nothing(db: None) -> None:
    viewer, alice = make_user(is_staff=True), make_agent("alice")
    viewer.user_permissions.set(Permission.objects.filter(codename="view_user"))
    client = client_of(viewer)
    page = html_of(client.get(f"{LIST}{alice.pk}/"))
    assert "You can view this person, but not change them." in page
    assert 'name="email"' not in page
    assert save(client, alice, first_name="Mallory").status_code == 403
    assert 'href="/admin/people/invite/"' not in html_of(client.get(LIST))
    assert client.get(f"{LIST}999999/").status_code == 404


# --- A person
def test_a_person_is_changed_and_each_change_is_recorded(setup: Client) -> None:
    sales, care = make_department("Sales"), make_department("Care")
    channel = make_channel(name="Shop", department=sales)
    alice = make_agent("alice", departments=(care,))
    answer = save(
        setup, alice, first_name="Alice", email="a@shop.example", departments=[sales.pk], channels=[channel.pk]
    )
    assert "Alice is saved." in html_of(answer)
    alice.refresh_from_db()
    assert (alice.first_name, alice.email) == ("Alice", "a@shop.example")
    assert list(alice.agent.departments.all()) == [sales]
    assert list(alice.agent.channels.all()) == [channel]
    assert {
        "First name changed from none to Alice.",
        "E-mail address changed from none to a@shop.example.",
        "Departments: Sales.",
        "Channels of Sales associated: Shop.",
    } <= set(AuditEntry.objects.values_list("sentence", flat=True))
    assert "Nothing was changed." in html_of(save(setup, User.objects.get(pk=alice.pk)))


def test_leaving_a_department_ends_its_channels(setup: Client) -> None:
    channel = make_channel()
    alice = make_agent("alice", channels=(channel,))
    save(setup, alice, departments=[], channels=[])
    assert not ChannelAgent.objects.exists()


def test_names_and_addresses_of_others_are_refused(setup: Client) -> None:
    make_user("bob", email="bob@shop.example")
    alice = make_agent("alice")
    page = html_of(save(setup, alice, email="BOB@shop.example", username="Bob", first_name="Typed"))
    assert "Somebody with this address exists already." in page
    assert "Somebody has this username already." in page
    assert 'value="Typed"' in page
    alice.refresh_from_db()
    assert alice.username == "alice"


def test_a_person_without_an_agent_becomes_one_with_a_department(setup: Client, administrator: User) -> None:
    sales = make_department("Sales")
    save(setup, administrator, departments=[sales.pk])
    assert list(User.objects.get(pk=administrator.pk).agent.departments.all()) == [sales]
    assert User.objects.get(pk=administrator.pk).is_superuser


# --- Roles
@pytest.mark.slow
def test_a_role_replaces_what_somebody_may_do(setup: Client) -> None:
    alice = make_agent("alice")
    group = Group.objects.create(name="Writers")
    group.permissions.set(Permission.objects.filter(codename__in=["view_cannedreply", "change_cannedreply"]))
    facts = []
    for role in (roles.LEAD, roles.ADMINISTRATOR, f"{roles.OWN}{group.pk}", roles.AGENT):
        save(setup, alice, role=role)
        alice = User.objects.get(pk=alice.pk)
        assert roles.role_of(alice).key == role
        facts.append(
            (alice.is_staff, alice.is_superuser, alice.get_all_permissions() if not alice.is_superuser else None)
        )
    assert facts == [
        (False, False, {"desk.see_department_conversations"}),
        (True, True, None),
        (True, False, {"tickets.view_cannedreply", "tickets.change_cannedreply"}),
        (False, False, set()),
    ]
    assert "Role changed from Agent to Lead." in sentences(alice)
    assert "Role changed from Writers to Agent." in sentences(alice)


def test_a_role_for_the_inbox_does_not_open_setup(setup: Client) -> None:
    alice = make_agent("alice")
    group = Group.objects.create(name="Readers")
    group.permissions.set(Permission.objects.filter(codename="view_conversation"))
    save(setup, alice, role=f"{roles.OWN}{group.pk}")
    assert not User.objects.get(pk=alice.pk).is_staff


def test_other_rights_stay_until_a_role_is_chosen(setup: Client) -> None:
    auditor = make_user("auditor", is_staff=True)
    auditor.user_permissions.set(Permission.objects.filter(codename="view_auditentry"))
    page = html_of(setup.get(f"{LIST}{auditor.pk}/"))
    assert "Permissions that were set one by one." in page
    save(setup, auditor, first_name="Ada")
    assert User.objects.get(pk=auditor.pk).has_perm("desk.view_auditentry")
    save(setup, User.objects.get(pk=auditor.pk), role=roles.AGENT)
    assert not User.objects.get(pk=auditor.pk).has_perm("desk.view_auditentry")


def test_the_last_administrator_keeps_the_role(setup: Client, administrator: User) -> None:
    page = html_of(save(setup, administrator, role=roles.AGENT, first_name="Typed"))
    assert "is the only administrator" in page
    assert 'value="Typed"' in page
    administrator.refresh_from_db()
    assert (administrator.is_superuser, administrator.first_name) == (True, "")
    other = make_admin("other")
    save(setup, other, role=roles.AGENT)
    assert not User.objects.get(pk=other.pk).is_superuser


def test_the_last_seen_is_shown(setup: Client) -> None:
    alice = make_agent("alice")
    User.objects.filter(pk=alice.pk).update(last_login=timezone.now())
    assert "now</time>" in html_of(setup.get(f"{LIST}?q=alice"))


# --- The language
def test_a_language_is_chosen_for_somebody_and_recorded(setup: Client) -> None:
    alice = make_agent("alice")
    page = html_of(setup.get(f"{LIST}{alice.pk}/"))
    assert '<option value="" selected>As their browser</option>' in page
    assert "Alice is saved." in html_of(save(setup, alice, language="de"))
    alice.refresh_from_db()
    assert alice.language == "de"
    assert '<option value="de" selected>Deutsch</option>' in html_of(setup.get(f"{LIST}{alice.pk}/"))
    assert "Nothing was changed." in html_of(save(setup, alice))
    save(setup, alice, language="")
    assert sentences(alice)[-2:] == [
        "Language changed: as the browser asks → Deutsch.",
        "Language changed: Deutsch → as the browser asks.",
    ]


def test_a_language_that_desk_does_not_speak_is_refused(setup: Client) -> None:
    alice = make_agent("alice")
    answer = save(setup, alice, language="tlh")
    assert answer.status_code == 422
    assert "Choose a language from the list." in html_of(answer)
    alice.refresh_from_db()
    assert alice.language == ""


def test_who_may_only_look_sees_the_language(db: None) -> None:
    viewer = make_user("viewer", is_staff=True)
    viewer.user_permissions.set(Permission.objects.filter(codename="view_user"))
    alice = make_user("alice", language="fr")
    assert "<dd>Français</dd>" in html_of(client_of(viewer).get(f"{LIST}{alice.pk}/"))
    User.objects.filter(pk=alice.pk).update(language="")
    assert "<dd>As their browser</dd>" in html_of(client_of(viewer).get(f"{LIST}{alice.pk}/"))


def test_a_page_is_in_the_language_of_who_reads_it(setup: Client, administrator: User) -> None:
    own = Group.objects.create(name="Roles")  # what somebody typed is never translated
    make_user("planner").groups.add(own)
    roles.give(make_agent("lead"), roles.BUILT_IN[roles.LEAD])
    User.objects.filter(pk=administrator.pk).update(language="de")
    page = html_of(setup.get(LIST)).replace("> ", ">").replace(" <", "<")
    assert '<td data-label="Rolle">Teamleitung</td>' in page
    assert '<td data-label="Rolle">Roles</td>' in page
    assert f'href="?role=role-{own.pk}">Roles <b>1</b>' in page.replace("Roles<b>", "Roles <b>")

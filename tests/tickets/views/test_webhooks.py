"""Setup of webhooks: secrets are shown once, every change is in the history."""

from datetime import timedelta
from typing import Any

import pytest
from django.contrib.auth.models import Permission
from django.test import Client
from django.utils import timezone
from pytest_django import DjangoAssertNumQueries

from desk.models import User
from tests import factories
from tests.history import changes
from tests.http import Response
from tests.matching import present
from tests.pages import html_of
from tickets.models import EventDelivery, EventSubscription, EventType
from tickets.services.webhooks import subscriptions

pytestmark = pytest.mark.django_db
EVENTS = "/admin/programs/events/"
CRM: dict[str, Any] = {
    "name": "CRM",
    "url": "https://crm.example.com/desk",
    "events": ["message.created", "ticket.closed"],
}


@pytest.fixture
def administrator() -> User:
    return factories.make_admin()


@pytest.fixture
def setup(administrator: User) -> Client:
    return client_of(administrator)


@pytest.fixture
def crm(administrator: User) -> EventSubscription:
    return subscriptions.create(administrator, **CRM)


def client_of(user: User) -> Client:
    client = Client()
    client.force_login(user)
    return client


def staff(*codenames: str) -> User:
    user = factories.make_user(is_staff=True)
    user.user_permissions.set(Permission.objects.filter(codename__in=codenames))
    return user


def text(response: Response) -> str:
    return html_of(response)


def history() -> list[str]:
    return [entry.sentence for entry in changes().order_by("pk")]


def told(crm: EventSubscription, **fields: Any) -> EventDelivery:
    return EventDelivery.objects.create(subscription=crm, type="message.created", body='{"text": "Hi"}', **fields)


# --- Event subscriptions ----------------------------------------------------------------------------------------------
def test_a_subscription_is_added_and_its_secret_shown_once(setup: Client) -> None:
    assert "No webhook yet" in text(setup.get(EVENTS))
    answer = setup.post(f"{EVENTS}add/", CRM)
    made = EventSubscription.objects.get()
    assert (made.name, made.url, made.events) == ("CRM", CRM["url"], CRM["events"])
    assert present(made.secret) in text(answer)
    assert "no-store" in answer["Cache-Control"]
    for address in (EVENTS, f"{EVENTS}{made.pk}/", f"{EVENTS}{made.pk}/delete/"):
        page = text(setup.get(address))
        assert "CRM" in page
        assert present(made.secret) not in page
    assert history() == ["Added for https://crm.example.com."]


@pytest.mark.parametrize(
    ("fields", "sentence"),
    [
        ({"name": ""}, "Give the webhook a name"),
        ({"url": ""}, "Enter the address"),
        ({"url": "http://crm.example.com/"}, "Only https addresses are allowed."),
        ({"url": "https://10.0.0.7/"}, "private network"),
        ({"url": "javascript:alert(1)"}, "Only https addresses are allowed."),
        ({"url": "https://crm example.com/"}, "malformed"),
        ({"events": []}, "Choose at least one event."),
        ({"events": ["no.such"]}, "no.such"),
    ],
)
def test_an_error_is_shown_beside_its_field(
    setup: Client, crm: EventSubscription, fields: dict[str, Any], sentence: str
) -> None:
    for address in (f"{EVENTS}add/", f"{EVENTS}{crm.pk}/"):
        answer = setup.post(address, {**CRM, **fields})
        assert answer.status_code == 422
        page = text(answer)
        assert sentence in page
        assert "The webhook was not saved" in page
    assert EventSubscription.objects.get().url == CRM["url"]


def test_a_subscription_is_changed_and_turned_off_and_on(setup: Client, crm: EventSubscription) -> None:
    address = f"{EVENTS}{crm.pk}/"
    changed = {**CRM, "name": "New CRM", "events": ["ticket.closed"]}
    setup.post(address, changed)
    crm.refresh_from_db()
    assert (crm.name, crm.events, crm.is_active) == ("New CRM", ["ticket.closed"], False)
    now = timezone.now()
    EventSubscription.objects.update(failures=4, failing_since=now, retry_after=now, disabled_reason="It was away.")
    assert "It was away." in text(setup.get(address))
    setup.post(address, {**changed, "is_active": "on"})
    crm.refresh_from_db()
    assert (crm.is_active, crm.failures, crm.failing_since, crm.disabled_reason) == (True, 0, None, "")
    assert "Nothing was changed." in text(setup.post(address, {**changed, "is_active": "on"}, follow=True))
    assert history()[1:] == ["Turned off.", "Changed: name, events.", "Turned on."]


def test_a_new_secret_is_shown_once_and_the_old_one_kept_for_a_day(setup: Client, crm: EventSubscription) -> None:
    before = present(crm.secret)
    page = text(setup.post(f"{EVENTS}{crm.pk}/rotate/"))
    crm.refresh_from_db()
    assert present(crm.secret) in page
    assert before not in page
    assert (crm.previous_secret, history()[-1]) == (before, "Secret rotated.")
    assert setup.get(f"{EVENTS}{crm.pk}/rotate/").status_code == 405


def test_a_test_event_waits_and_is_shown(setup: Client, crm: EventSubscription) -> None:
    answer = setup.post(f"{EVENTS}{crm.pk}/test/", follow=True)
    [row] = EventDelivery.objects.all()
    assert (row.type, row.state) == ("test", "pending")
    assert str(row.event_id) in text(answer)


def test_webhook_events_are_listed_by_state_and_resent(setup: Client, crm: EventSubscription) -> None:
    failed = told(crm, state="failed", reason="The address answered 500.", status=500, attempts=9)
    told(crm, state="delivered")
    page = text(setup.get(f"{EVENTS}{crm.pk}/?state=failed"))
    assert "The address answered 500." in page
    assert page.count(f"{EVENTS}deliveries/") == 1
    address = f"{EVENTS}deliveries/{failed.pk}/"
    assert "&quot;text&quot;: &quot;Hi&quot;" in text(setup.get(address))
    setup.post(f"{address}again/")
    failed.refresh_from_db()
    assert (failed.state, failed.attempts, failed.reason) == ("pending", 0, "")
    assert history()[-1] == f"Sent again: message.created {failed.event_id}."
    EventSubscription.objects.update(is_active=False)
    EventDelivery.objects.update(state="failed")
    assert "turned off" in text(setup.post(f"{address}again/", follow=True))


def test_a_subscription_is_deleted_after_a_question(setup: Client, crm: EventSubscription) -> None:
    told(crm)
    assert "1 waiting event will" in text(setup.get(f"{EVENTS}{crm.pk}/delete/"))
    setup.post(f"{EVENTS}{crm.pk}/delete/")
    assert not EventSubscription.objects.exists()
    assert not EventDelivery.objects.exists()
    assert history()[-1] == "Deleted."


def test_the_first_page_of_setup_names_subscriptions_that_fail(setup: Client, crm: EventSubscription) -> None:
    assert "CRM" not in text(setup.get("/admin/"))
    EventSubscription.objects.update(failing_since=timezone.now() - timedelta(hours=1))
    assert "Deliveries to the webhook “CRM” fail." in text(setup.get("/admin/"))
    EventSubscription.objects.update(is_active=False, disabled_reason="Disabled: the address answered 410 (gone).")
    assert "Webhook “CRM” — Disabled: the address answered 410" in text(setup.get("/admin/"))


def test_who_may_not_see_all_conversations_reads_no_content(crm: EventSubscription) -> None:
    row = told(crm, state="delivered")
    client = client_of(staff("view_eventsubscription"))
    page = text(client.get(f"{EVENTS}deliveries/{row.pk}/"))
    assert "&quot;Hi&quot;" not in page
    assert "Only users who can see all conversations" in page
    assert not changes().filter(action="viewed").exists()
    client_of(factories.make_admin("other")).get(f"{EVENTS}deliveries/{row.pk}/")
    assert changes().get(action="viewed").sentence == f"Body of {row} viewed."


def test_each_page_asks_for_its_permission(crm: EventSubscription) -> None:
    row = told(crm, state="failed")
    one = f"{EVENTS}{crm.pk}/"
    gets = [EVENTS, one, f"{EVENTS}deliveries/{row.pk}/"]
    posts = {
        f"{EVENTS}add/": "add_eventsubscription",
        f"{one}rotate/": "change_eventsubscription",
        f"{one}test/": "change_eventsubscription",
        f"{EVENTS}deliveries/{row.pk}/again/": "change_eventsubscription",
        f"{one}delete/": "delete_eventsubscription",
    }
    viewer = client_of(staff("view_eventsubscription"))
    assert [viewer.get(address).status_code for address in gets] == [200] * 3
    viewer.post(one, {**CRM, "name": "Mine"})
    assert [viewer.post(address, CRM).status_code for address in posts] == [403] * 5
    for stranger in (client_of(staff()), client_of(factories.make_agent("alice"))):
        assert [stranger.get(address).status_code for address in gets] == [403] * 3
        assert [stranger.post(address, CRM).status_code for address in posts] == [403] * 5
    for address in (*gets, *posts):
        assert Client().get(address).status_code == 302
    assert EventSubscription.objects.get().name == "CRM"
    for address, codename in posts.items():
        assert client_of(staff(codename)).post(address, CRM).status_code in (200, 302), address


def test_the_list_asks_as_often_for_many_subscriptions_as_for_few(
    setup: Client, administrator: User, django_assert_max_num_queries: DjangoAssertNumQueries
) -> None:
    for number in range(12):
        made = subscriptions.create(administrator, **{**CRM, "name": f"CRM {number}"})
        told(made)
    with django_assert_max_num_queries(8):
        assert text(setup.get(EVENTS)).count("crm.example.com") == 12


def test_every_type_of_event_can_be_chosen(setup: Client) -> None:
    page = text(setup.get(f"{EVENTS}add/"))
    assert all(f"<code>{event}</code>" in page for event in EventType.values)

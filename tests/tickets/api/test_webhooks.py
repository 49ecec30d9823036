"""Webhooks through the API: the rights of Setup, a scope of their own, and secrets that are shown once."""

import pytest
from django.contrib.auth.models import Permission
from rest_framework.test import APIClient

from desk.models import User
from tests import factories
from tests.matching import present
from tickets.models import EventDelivery, EventSubscription

from .conftest import Shop, client_of

URL = "/api/v1/webhooks/"
CRM = {"name": "CRM", "url": "https://crm.example.com/desk?key=1", "events": ["ticket.closed", "message.created"]}


@pytest.fixture
def manager(shop: Shop) -> APIClient:
    """Alice, who may also manage webhooks."""
    shop.alice.user_permissions.set(Permission.objects.filter(codename__endswith="_eventsubscription"))
    User.objects.filter(pk=shop.alice.pk).update(is_staff=True)
    return client_of(User.objects.get(pk=shop.alice.pk))


def test_a_webhook_is_created_with_a_secret_that_no_later_response_has(manager: APIClient) -> None:
    made = manager.post(URL, CRM, format="json")
    assert made.status_code == 201, made.content
    row = EventSubscription.objects.get()
    assert made.json()["secret"] == present(row.secret)
    assert "no-store" in made["Cache-Control"]
    assert (row.name, row.url, row.events) == (CRM["name"], CRM["url"], ["message.created", "ticket.closed"])
    for answer in (manager.get(URL), manager.get(f"{URL}{row.pk}/"), manager.patch(f"{URL}{row.pk}/", {})):
        assert answer.status_code in (200, 415)
        assert present(row.secret) not in answer.content.decode()
        assert "secret" not in answer.content.decode()


def test_it_is_changed_rotated_tested_and_deleted(manager: APIClient) -> None:
    address = f"{URL}{manager.post(URL, CRM, format='json').json()['id']}/"
    first = present(EventSubscription.objects.get().secret)
    off = manager.patch(address, {"is_active": False, "name": "Old CRM"}, format="json").json()
    assert (off["name"], off["state"], off["url"]) == ("Old CRM", "turned_off", CRM["url"])
    rotated = manager.post(f"{address}rotate/").json()["secret"]
    row = EventSubscription.objects.get()
    assert (row.secret, row.previous_secret) == (rotated, first)
    queued = manager.post(f"{address}test/")
    assert queued.status_code == 202
    assert str(EventDelivery.objects.get().event_id) == queued.json()["event"]
    assert manager.delete(address).status_code == 204
    assert not EventSubscription.objects.exists()


def test_it_needs_the_rights_of_setup(shop: Shop, alice: APIClient) -> None:
    row = EventSubscription.objects.create(**CRM)
    assert alice.get(URL).json()["results"] == []
    assert alice.post(URL, CRM, format="json").status_code == 403
    for method in ("get", "patch", "delete"):
        assert getattr(alice, method)(f"{URL}{row.pk}/").status_code == 404
    shop.alice.user_permissions.set(Permission.objects.filter(codename="view_eventsubscription"))
    User.objects.filter(pk=shop.alice.pk).update(is_staff=True)
    viewer = client_of(User.objects.get(pk=shop.alice.pk))
    assert len(viewer.get(URL).json()["results"]) == 1
    for method, address in (("patch", ""), ("delete", ""), ("post", "rotate/"), ("post", "test/")):
        assert getattr(viewer, method)(f"{URL}{row.pk}/{address}").status_code == 403
    assert EventSubscription.objects.count() == 1
    assert not EventDelivery.objects.exists()


def test_it_needs_the_scope_of_webhooks(shop: Shop) -> None:
    client = APIClient()
    admin = factories.make_admin()
    client.credentials(HTTP_AUTHORIZATION=f"Token {factories.make_token(admin, 'read', 'reply', 'manage', 'erase')}")
    assert client.get(URL).status_code == 403
    assert client.post(URL, CRM, format="json").status_code == 403


@pytest.mark.parametrize(
    ("fields", "name"),
    [({"url": "http://crm.example.com"}, "url"), ({"url": "https://10.0.0.1/"}, "url"), ({"events": []}, "events")],
)
def test_an_invalid_field_is_named(manager: APIClient, fields: dict[str, object], name: str) -> None:
    answer = manager.post(URL, {**CRM, **fields}, format="json")
    assert (answer.status_code, list(answer.json())) == (400, [name])

"""API tokens in requests: who is let in, what for, and what is said to those who are not."""

from collections.abc import Iterator
from datetime import timedelta
from io import StringIO
from typing import Any

import pytest
import time_machine
from django.core.management import CommandError, call_command
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import URLPattern, URLResolver, get_resolver
from django.utils import timezone
from rest_framework.test import APIClient

from desk.models import AuditEntry, User
from tests import factories
from tickets.api import urls
from tickets.api.authentication import CHALLENGE, scope_of
from tickets.models import ApiToken, Scope
from tickets.services.webhooks import api_tokens

from .conftest import Shop

CHANNELS = "/api/v1/channels/"


def ask(key: str, scheme: str = "Token", address: str = CHANNELS) -> Any:
    return Client().get(address, headers={"Authorization": f"{scheme} {key}"})


def client_with(user: User, *scopes: str) -> APIClient:
    client = APIClient()
    client.credentials(HTTP_AUTHORIZATION=f"Bearer {factories.make_token(user, *scopes)}")
    return client


# --- The header -------------------------------------------------------------------------------------------------------
@pytest.mark.parametrize("scheme", ["Token", "Bearer", "token", "BEARER"])
def test_both_headers_let_in(shop: Shop, scheme: str) -> None:
    assert len(ask(factories.make_token(shop.alice), scheme).json()["results"]) == 1


def test_only_the_digest_and_the_beginning_are_stored(shop: Shop) -> None:
    key = factories.make_token(shop.alice)
    token = ApiToken.objects.get()
    assert key.startswith(token.prefix)
    assert len(key) - len(token.prefix) >= 32
    assert token.digest == api_tokens.digest_of(key)
    assert key not in str(ApiToken.objects.values().get())
    assert key not in str(list(AuditEntry.objects.values()))
    assert ask(token.digest).status_code == 401


@pytest.mark.parametrize(
    ("header", "sentence"),
    [
        (None, "Send an API token with the request"),
        ("Basic YTpi", "Send an API token with the request"),
        ("Token", "must be “Token” or “Bearer”"),
        ("Bearer a b", "must be “Token” or “Bearer”"),
        ("Token " + "x" * 5000, "must be “Token” or “Bearer”"),
        ("Token desk_unknown", "is unknown"),
    ],
)
def test_a_401_says_why_and_how(shop: Shop, header: str | None, sentence: str) -> None:
    answer = Client().get(CHANNELS, headers={"Authorization": header} if header else {})
    assert answer.status_code == 401
    assert answer["WWW-Authenticate"] == CHALLENGE
    assert sentence in answer.json()["detail"]


def test_an_expired_token_is_refused_with_the_day(shop: Shop) -> None:
    key = factories.make_token(shop.alice, expires_at=timezone.now() + timedelta(days=1))
    assert ask(key).status_code == 200
    with time_machine.travel(timezone.now() + timedelta(days=2)):
        answer = ask(key)
    assert answer.status_code == 401
    assert "This API token expired on" in answer.json()["detail"]


def test_a_revoked_token_is_refused(shop: Shop) -> None:
    key = factories.make_token(shop.alice)
    api_tokens.revoke_all(shop.alice, shop.alice)
    answer = ask(key)
    assert (answer.status_code, answer["WWW-Authenticate"]) == (401, CHALLENGE)
    assert "was revoked" in answer.json()["detail"]


def test_an_inactive_user_is_refused_even_when_nobody_revoked_the_token(shop: Shop) -> None:
    key = factories.make_token(shop.alice)
    User.objects.filter(pk=shop.alice.pk).update(is_active=False)  # past the signal
    assert "is deactivated" in ask(key).json()["detail"]


def test_deactivating_a_user_revokes_the_tokens_for_good(shop: Shop) -> None:
    key, of_bob = factories.make_token(shop.alice), factories.make_token(shop.bob)
    shop.alice.is_active = False
    shop.alice.save()
    shop.alice.is_active = True
    shop.alice.save()
    assert ask(key).status_code == 401
    assert ask(of_bob).status_code == 200
    entry = AuditEntry.objects.filter(sentence__contains="revoked").get()
    assert (entry.actor_kind, entry.actor_name) == ("system", "Desk")
    assert "The user was deactivated." in entry.sentence


def test_deleting_a_user_deletes_the_tokens(shop: Shop) -> None:
    stranger = factories.make_user("stranger")
    key = factories.make_token(stranger)
    stranger.delete()
    assert ask(key).status_code == 401
    assert not ApiToken.objects.exists()


def test_the_last_use_is_noted_once_a_minute(shop: Shop) -> None:
    key = factories.make_token(shop.alice)
    writes = []
    now = timezone.now()
    for seconds in (0, 10, 50, 70):
        with time_machine.travel(now + timedelta(seconds=seconds), tick=False):
            with CaptureQueriesContext(
                connection,
            ) as queries:
                assert ask(key).status_code == 200
            writes.append(sum("UPDATE" in query["sql"] for query in queries))
    assert writes == [1, 0, 0, 1]
    assert ApiToken.objects.get().last_used_at == now + timedelta(seconds=70)


def test_the_history_names_the_token_and_the_address(shop: Shop) -> None:
    client = client_with(shop.alice, "manage")
    client.post(f"/api/v1/conversations/{shop.conversation.pk}/block/")
    entry = AuditEntry.objects.get(action=AuditEntry.Action.BLOCKED)
    assert (entry.actor, entry.via, entry.address) == (shop.alice, "token", "127.0.0.1")
    assert entry.token_name == str(ApiToken.objects.get())


# --- Scopes -----------------------------------------------------------------------------------------------------------
def views_of(patterns: list[URLPattern | URLResolver]) -> Iterator[tuple[str, str, Any]]:
    """Yield (route, method, view as for a request) of all that the API answers."""
    for pattern in patterns:
        if isinstance(pattern, URLResolver):
            yield from views_of(pattern.url_patterns)
            continue
        actions = getattr(pattern.callback, "actions", None)
        view_class = pattern.callback.cls  # type: ignore[attr-defined]  # DRF sets it
        methods = actions or {name: name for name in view_class.http_method_names if hasattr(view_class, name)}
        for method, action in methods.items():
            if method == "options":
                continue
            view = view_class(**getattr(pattern.callback, "initkwargs", {}))
            if actions:
                view.action = action
            yield str(pattern.pattern), method.upper(), view


def test_every_route_names_its_scope() -> None:
    found = list(views_of(urls.urlpatterns))
    assert [(route, method) for route, method, view in found if scope_of(view, method) is None] == []
    assert len(found) > 40
    assert {scope_of(view, method) for _route, method, view in found} == set(Scope)


def test_the_api_has_no_route_outside_of_these() -> None:
    """No other URL pattern is served by DRF, except the description."""
    others = [
        str(pattern.pattern)
        for pattern in get_resolver().url_patterns
        if isinstance(pattern, URLPattern) and hasattr(pattern.callback, "cls")
    ]
    assert others == ["api/schema/"]


def test_a_route_without_a_scope_refuses_every_token(shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    from tickets.api.directory import DepartmentViewSet

    monkeypatch.delattr(DepartmentViewSet.list, "needs_scope")
    assert client_with(shop.alice).get("/api/v1/departments/").status_code == 403


def test_a_token_without_the_scope_is_refused_everywhere(shop: Shop) -> None:
    """Asks every operation of the description with a token that has all scopes but the one it needs."""
    description = APIClient().get("/api/schema/?format=json").json()
    clients = {
        scope: client_with(shop.alice, *(other for other in api_tokens.ALL_SCOPES if other != scope))
        for scope in api_tokens.ALL_SCOPES
    }
    asked = set()
    for path, operations in description["paths"].items():
        for method, operation in operations.items():
            scope = operation["x-scope"]
            answer = getattr(clients[scope], method)(path.replace("{id}", "1"), {}, format="json")
            assert answer.status_code == 403, (method, path)
            assert f"lacks the scope “{scope}”" in answer.json()["detail"]
            asked.add(scope)
    assert asked == set(api_tokens.ALL_SCOPES)


def test_the_scope_is_enough_and_no_more_is_asked(shop: Shop) -> None:
    factories.receive(shop.conversation, "Hello?", timezone.now())  # the messaging window is open
    conversation = f"/api/v1/conversations/{shop.conversation.pk}/"
    reply = {"conversation": shop.conversation.pk, "text": "Hi"}
    for scope, status in (("read", 403), ("manage", 403), ("erase", 403), ("reply", 201)):
        assert client_with(shop.alice, scope).post("/api/v1/messages/", reply).status_code in (status, 202), scope
    assert client_with(shop.alice, "manage").post(f"{conversation}close/").status_code == 200
    assert client_with(shop.alice, "read").get(conversation).status_code == 200
    assert client_with(shop.alice, "read").head(conversation).status_code == 200
    assert client_with(shop.alice, "reply").head(conversation).status_code == 403


def test_the_description_has_both_headers_and_the_scopes(shop: Shop) -> None:
    description = APIClient().get("/api/schema/?format=json").json()
    schemes = description["components"]["securitySchemes"]
    assert (schemes["tokenAuth"]["type"], schemes["bearerAuth"]["scheme"]) == ("apiKey", "bearer")
    assert all(f"`{scope}`" in schemes["tokenAuth"]["description"] for scope in api_tokens.ALL_SCOPES)
    operation = description["paths"]["/api/v1/contacts/{id}/erase/"]["post"]
    assert operation["x-scope"] == "erase"
    assert "scope `erase`" in operation["description"]
    assert operation["security"] == [{"tokenAuth": []}, {"bearerAuth": []}]
    assert "403" in description["paths"]["/api/v1/channels/"]["get"]["responses"]


# --- On the command line ----------------------------------------------------------------------------------------------
def run(*arguments: str) -> str:
    out = StringIO()
    call_command(*arguments, stdout=out)
    return out.getvalue().strip()


def test_the_command_makes_a_token_with_scopes_and_an_end(shop: Shop) -> None:
    key = run("create_api_token", "alice", "--name", "CRM", "--scope", "read", "--days", "10")
    token = ApiToken.objects.get()
    assert (token.name, token.scopes, token.created_by) == ("CRM", ["read"], None)
    assert timedelta(days=9) < (token.expires_at or timezone.now()) - timezone.now() <= timedelta(days=10)
    assert ask(key).status_code == 200
    assert run("create_api_token", "alice", "--no-expiry").startswith("desk_")
    assert ApiToken.objects.latest("pk").expires_at is None


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["nobody"], "no active user nobody"),
        (["alice", "--days", "0"], "This day is over"),
        (["alice", "--days", "99999999999"], "too large"),
        (["alice", "--name", " "], "Give the token a name"),
    ],
)
def test_the_command_says_what_is_wrong(shop: Shop, arguments: list[str], sentence: str) -> None:
    with pytest.raises(CommandError, match=sentence):
        run("create_api_token", *arguments)
    assert not ApiToken.objects.exists()


def test_the_older_command_still_works_and_replaces(shop: Shop) -> None:
    first = run("drf_create_token", "alice").split()[2]
    second = run("drf_create_token", "-r", "alice").split()[2]
    assert [ask(key).status_code for key in (first, second)] == [401, 200]

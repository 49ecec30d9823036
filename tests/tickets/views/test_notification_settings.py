"""The page of one's notifications, and Desk as an app of the browser."""

import json
import re
from datetime import time
from typing import Any

import pytest
from django.test import Client
from pytest_django import Settings

from tests import factories
from tickets.models import NotificationChoice, NotificationSettings, PushSubscription
from tickets.services.notifications import choices

pytestmark = pytest.mark.django_db
PAGE = "/accounts/notifications/"
FORM: dict[str, Any] = {
    "push": ["mine", "failed"],
    "mail": ["mine"],
    "mail_minutes": "20",
    "when": "away",
    "has_quiet_hours": "on",
    "quiet_from": "18:30",
    "quiet_to": "08:00",
    "quiet_days": ["0", "4"],
    "time_zone": "Europe/Berlin",
}


@pytest.fixture
def agent(client: Client) -> Client:
    client.force_login(factories.make_agent("alice"))
    return client


def test_everything_that_is_chosen_is_saved_and_shown_again(agent: Client) -> None:
    assert agent.post(PAGE, FORM).status_code == 302
    row = NotificationSettings.objects.get()
    assert choices.of(row.user) == choices.Choices(
        push=frozenset({"mine", "failed"}),
        mail=frozenset({"mine"}),
        shows_text=False,
        when="away",
        has_quiet_hours=True,
        quiet_from=time(18, 30),
        quiet_to=time(8),
        quiet_days=frozenset({0, 4}),
        time_zone="Europe/Berlin",
        mail_minutes=20,
    )
    page = agent.get(PAGE).content.decode()
    assert 'value="18:30"' in page
    assert '<option value="Europe/Berlin" selected>' in page
    agent.post(PAGE, {**FORM, "push": [], "mail": []})
    assert not NotificationChoice.objects.exists()


@pytest.mark.parametrize(
    "wrong",
    [
        {"push": ["nonsense"]},
        {"mail_minutes": "0"},
        {"mail_minutes": "99999"},
        {"mail_minutes": "soon"},
        {"when": "never"},
        {"quiet_from": "25:00"},
        {"quiet_days": []},
        {"quiet_days": ["7"]},
        {"time_zone": "../etc/passwd"},
    ],
)
def test_what_nobody_can_choose_is_not_saved(agent: Client, wrong: dict[str, Any]) -> None:
    assert agent.post(PAGE, {**FORM, **wrong}).status_code == 422
    assert not NotificationSettings.objects.exists()


def test_a_browser_is_removed_by_its_owner_alone(agent: Client, settings: Settings) -> None:
    other = PushSubscription.objects.create(
        user=factories.make_agent("bob"), session_key="s", endpoint="https://push.example/b", endpoint_digest="b" * 64,
        p256dh="p", auth="a", public_key="k",
    )  # fmt: skip
    agent.post(f"{PAGE}remove/", {"browser": other.pk})
    agent.post(f"{PAGE}remove/", {"endpoint": other.endpoint})
    assert PushSubscription.objects.filter(pk=other.pk).exists()
    own = PushSubscription.objects.get(pk=other.pk)
    own.user_id = int(agent.session["_auth_user_id"])
    own.save()
    assert agent.post(f"{PAGE}remove/", {"browser": own.pk}).status_code == 302
    assert not PushSubscription.objects.exists()


@pytest.mark.parametrize("address", [PAGE, f"{PAGE}browser/", f"{PAGE}remove/", f"{PAGE}test/"])
def test_a_stranger_and_a_forged_form_change_nothing(client: Client, address: str) -> None:
    assert "/accounts/login/" in client.post(address, FORM)["Location"]
    strict = Client(enforce_csrf_checks=True)
    strict.force_login(factories.make_agent())
    assert strict.post(address, FORM).status_code == 403


def test_desk_can_be_installed_under_the_name_of_the_installation(client: Client, settings: Settings) -> None:
    settings.DEFAULT_FROM_EMAIL = "Berg Bikes Support <desk@example.org>"
    answer = client.get("/manifest.webmanifest")
    assert answer["Content-Type"] == "application/manifest+json"
    content = json.loads(answer.content)
    assert (content["name"], content["start_url"], content["display"]) == (
        "Berg Bikes Support",
        "/inbox/",
        "standalone",
    )
    assert {icon["sizes"] for icon in content["icons"]} == {"192x192", "512x512"}
    assert 'rel="manifest"' in client.get("/accounts/login/").content.decode()


def test_the_service_worker_is_for_the_whole_site_and_never_old(client: Client) -> None:
    answer = client.get("/service-worker.js")
    assert answer["Service-Worker-Allowed"] == "/"
    assert answer["Content-Type"].startswith("text/javascript")
    assert answer["Cache-Control"] == "no-cache"
    assert "default-src 'self'" in answer["Content-Security-Policy"]
    assert b'addEventListener("push"' in answer.content


def test_the_offline_page_is_for_everybody_and_names_all_that_it_needs(client: Client, agent: Client) -> None:
    for asks in (client, agent):
        answer = asks.get("/offline/", headers={"Accept-Language": "fr"})
        text = answer.content.decode()
        assert (answer.status_code, answer["Content-Language"]) == (200, "fr")
        assert "default-src 'self'" in answer["Content-Security-Policy"]
        files = re.findall(r'(?:src|href)="(/static/[^"]+)"', text)
        assert (len(files), [one for one in files if not one.endswith("?offline")]) == (6, [])
        assert "csrfmiddlewaretoken" not in text


@pytest.mark.parametrize("address", ["/tickets/", "/accounts/", "/contacts/"])
def test_pages_of_people_who_are_logged_in_keep_the_offline_page(agent: Client, address: str) -> None:
    assert "keep-offline-page" in agent.get(address).content.decode()
    assert "keep-offline-page" not in Client().get(address, follow=True).content.decode()


def test_tests_are_limited_and_the_answer_says_when_to_try_again(agent: Client) -> None:
    answers = [agent.post(f"{PAGE}test/", {"endpoint": "https://push.example.com/x"}) for _ in range(6)]
    assert [answer.status_code for answer in answers] == [404] * 5 + [429]
    assert answers[-1]["Retry-After"] == "60"
    assert answers[-1].content.decode() == "You have sent several test notifications. Wait a minute, then try again."

"""The Journal page: filter, reason, raw JSON, replay."""

import re
from datetime import timedelta
from typing import Any

import pytest
from django.contrib.auth.models import Permission
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from channels_im.models import WebhookDelivery
from channels_im.setup import access, journal
from desk.models import User
from tests.factories import make_user
from tests.history import changes
from tests.http import Response
from tests.pages import html_of

URL = "/admin/instant-messaging/journal/"


def text(response: Response) -> str:
    return html_of(response)


def make(state: str, **fields: Any) -> WebhookDelivery:
    return WebhookDelivery.objects.create(**({"body": b'{"object": "page"}', "state": state} | fields))


def test_deliveries_are_listed_with_state_and_the_first_line_of_the_reason(setup: Client) -> None:
    make("failed", error="It could not be read.\nTraceback …")
    page = text(setup.get(URL))
    assert "It could not be read." in page
    assert "Traceback" not in page


def test_a_state_filters(setup: Client) -> None:
    make("done", error="first")
    make("failed", error="second")
    page = text(setup.get(URL, {"state": "failed"}))
    assert "second" in page
    assert "first" not in page


def test_a_delivery_is_shown_as_json_with_its_whole_reason(setup: Client) -> None:
    delivery = make("failed", error="Why\nTraceback here", body='{"text":"<b>ü</b>"}'.encode())
    page = text(setup.get(reverse("setup:journal_entry", args=[delivery.pk])))
    assert "&lt;b&gt;ü&lt;/b&gt;" in page
    assert "Traceback here" in page


@pytest.mark.parametrize("body", [b"not json", b"\xff\xfe\x00", b"[" * 100_000, b'{"a": "' + b"x" * 300_000 + b'"}'])
def test_what_is_no_json_is_shown_as_it_came(setup: Client, body: bytes) -> None:
    delivery = make("failed", body=body)
    assert setup.get(reverse("setup:journal_entry", args=[delivery.pk])).status_code == 200


def test_one_delivery_is_replayed(setup: Client, administrator: User) -> None:
    delivery = make("failed", attempts=5, error="broken")
    setup.post(reverse("setup:journal_replay", args=[delivery.pk]))
    delivery.refresh_from_db()
    assert (delivery.state, delivery.error) == ("pending", "")
    assert changes(administrator).get().sentence == "Replayed."


def test_a_delivery_that_is_being_processed_is_left_alone(setup: Client) -> None:
    delivery = make("processing")
    response = setup.post(reverse("setup:journal_replay", args=[delivery.pk]), follow=True)
    assert "is being processed right now" in text(response)


def test_all_that_failed_since_a_time_is_replayed(setup: Client) -> None:
    now = timezone.now()
    old = make("failed", received_at=now - timedelta(days=3))
    new = make("failed", received_at=now - timedelta(hours=1))
    since = (timezone.localtime() - timedelta(days=1)).strftime("%Y-%m-%dT%H:%M")
    response = setup.post(URL + "replay-failed/", {"since": since}, follow=True)
    assert "1 failed delivery is being processed again." in text(response)
    old.refresh_from_db()
    new.refresh_from_db()
    assert (old.state, new.state) == ("failed", "pending")


@pytest.mark.parametrize("since", ["", "yesterday", "2026-13-45T99:99"])
def test_a_time_that_makes_no_sense_replays_nothing(setup: Client, since: str) -> None:
    delivery = make("failed")
    response = setup.post(URL + "replay-failed/", {"since": since}, follow=True)
    assert "Enter a date and time" in text(response)
    delivery.refresh_from_db()
    assert delivery.state == "failed"


def reader(*codenames: str) -> Client:
    user = make_user(is_staff=True)
    user.user_permissions.set(Permission.objects.filter(codename__in=("view_webhookdelivery", *codenames)))
    client = Client()
    client.force_login(user)
    return client


@pytest.mark.django_db
def test_only_who_sees_all_conversations_reads_what_customers_wrote() -> None:
    delivery = make(
        "failed",
        body=b'{"text": "my secret"}',
        error="1 of 1 events failed.\nValueError: my secret",
        progress={"0": {"kind": "message", "state": "failed", "tries": 5, "error": "ValueError: my secret"}},
    )
    url = reverse("setup:journal_entry", args=[delivery.pk])
    page = text(reader().get(url))
    assert "my secret" not in page
    for shown in ("1 of 1 events failed.", "&quot;tries&quot;: 5", "Only users who can see all conversations"):
        assert shown in page
    assert not changes().exists()

    assert text(reader("view_conversation").get(url)).count("my secret") == 3
    entry = changes().get()
    assert (entry.action, entry.object_name, entry.sentence) == ("viewed", str(delivery), "Raw data viewed.")


def test_without_a_rule_nobody_reads_it(setup: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(access, "_content_rules", [])
    delivery = make("done", body=b'{"text": "my secret"}')
    assert "my secret" not in text(setup.get(reverse("setup:journal_entry", args=[delivery.pk])))


def test_pages_go_to_the_oldest_delivery_and_back(setup: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(journal, "PER_PAGE", 2)
    kept = [make("done").pk for _ in range(5)]
    make("failed")

    def shown(address: str) -> tuple[list[int], dict[str, str]]:
        page = text(setup.get(address))
        links = re.findall(r'href="(\?state=done&(?:amp;)?(?:after|before)=\d+)">(\w+)', page)
        return [int(pk) for pk in re.findall(r'/journal/(\d+)/">\d+<', page)], {
            word: URL + link.replace("&amp;", "&") for link, word in links
        }

    first, links = shown(f"{URL}?state=done")
    assert (first, list(links)) == ([kept[4], kept[3]], ["Older"])
    second, links = shown(links["Older"])
    assert (second, list(links)) == ([kept[2], kept[1]], ["Newer", "Older"])
    last, back = shown(links["Older"])
    assert (last, list(back)) == ([kept[0]], ["Newer"])
    assert shown(back["Newer"])[0] == second
    assert shown(links["Newer"])[0] == first


def test_very_many_deliveries_are_not_counted_to_the_end(setup: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(journal, "COUNT_LIMIT", 2)
    for state in ("done", "done", "done", "failed"):
        make(state)
    counts = re.findall(r"(\w+)\s*<b>([^<]*)</b>", text(setup.get(URL)))
    assert dict(counts) | {"All": "2+", "Done": "2+", "Failed": "1"} == dict(counts)

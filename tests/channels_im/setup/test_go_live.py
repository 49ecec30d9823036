"""Setup → Messenger → Go live: who may, what the page shows of each state, ticks, and that a page view calls nobody."""

import re
from datetime import UTC, datetime, timedelta

import pytest
import time_machine
from django.contrib.auth.models import Permission
from django.test import Client
from django.urls import reverse
from django.utils import timezone
from pytest_django import DjangoAssertNumQueries, Settings

from channels_im import tasks
from channels_im.messenger import scopes
from channels_im.models import GoLive, GoLiveStep
from channels_im.services.go_live import catalogue, progress, review
from desk.models import AuditEntry, User
from tests.channels_im.setup.fake_meta import FakeMeta
from tests.factories import make_agent, make_channel, make_user
from tests.pages import html_of

URL = "/admin/instant-messaging/messenger/go-live/"
POSTS = [f"{URL}{name}/" for name in ("check-now", "tick", "hide")]
PAGES = [URL, f"{URL}privacy-policy/", f"{URL}test/"]
State = GoLiveStep.State


def line(page: str, key: str) -> str:
    """Return the HTML of one step."""
    found = re.search(rf'<li class="go-live__step" id="step-{re.escape(key)}">.*?</li>', page)
    assert found, key
    return found[0]


def staff(*codenames: str) -> Client:
    user = make_user(is_staff=True)
    user.user_permissions.add(*Permission.objects.filter(codename__in=codenames))
    client = Client()
    client.force_login(user)
    return client


# --- Who may
@pytest.mark.django_db
@pytest.mark.parametrize("url", [*PAGES, *POSTS])
def test_only_who_may_change_channels_comes_in(url: str) -> None:
    stranger = Client()
    assert "/login/" in stranger.get(url)["Location"]
    assert "/login/" in stranger.post(url)["Location"]
    agent = Client()
    agent.force_login(make_agent())
    for client in (agent, staff(), staff("view_channel", "add_channel", "delete_channel")):
        assert client.get(url).status_code == 403
        assert client.post(url, {"key": "basic", "done": "yes"}).status_code == 403
    assert not GoLiveStep.objects.exists()
    assert not GoLive.objects.exists()
    assert staff("change_channel").get(url).status_code == (405 if url in POSTS else 200)


@pytest.mark.django_db
def test_who_may_not_does_not_see_the_links(setup: Client) -> None:
    make_channel()
    viewer = staff("view_channel")
    for url in ("/admin/", "/admin/instant-messaging/messenger/"):
        assert URL in html_of(setup.get(url))
        assert URL not in html_of(viewer.get(url))


# --- What the page shows
def test_a_page_view_calls_nobody_and_makes_few_queries(
    setup: Client, meta: FakeMeta, django_assert_max_num_queries: DjangoAssertNumQueries
) -> None:
    make_channel()
    for url in ("/admin/", *PAGES):
        with django_assert_max_num_queries(40):
            assert setup.get(url).status_code == 200
    assert meta.calls == []
    assert not GoLive.objects.exists()


@pytest.mark.parametrize(
    ("state", "word", "may_tick"),
    [("done", "Done", False), ("to_do", "To do", False), ("unknown", "Cannot be checked from here", True)],
)
def test_each_state_of_a_checked_step_is_shown_with_what_was_found(
    setup: Client, state: str, word: str, may_tick: bool
) -> None:
    keys = [step.key for step in catalogue.steps() if step.is_checked and step.key != "test"]
    for key in keys:
        GoLiveStep.objects.create(key=key, state=state, detail=f"Found for {key} <b>", checked_at=timezone.now())
    page = html_of(setup.get(URL))
    for key in keys:
        step = line(page, key)
        assert f">{word}</span>" in step
        assert f"Found for {key} &lt;b&gt;" in step
        assert ("Tick as done" in step) is may_tick
        assert ("go-live__how" in step) is (state != "done")


def test_a_step_that_was_never_checked_is_to_do_and_cannot_be_ticked(setup: Client) -> None:
    page = html_of(setup.get(URL))
    assert "Nothing was checked yet." in page
    for step in catalogue.steps():
        if step.is_checked:
            assert ">To do</span>" in line(page, step.key)
            assert "Tick as done" not in line(page, step.key)
        else:
            assert ">Cannot be checked from here</span>" in line(page, step.key)
            assert "Tick as done" in line(page, step.key)


def test_every_address_for_the_dashboard_can_be_copied(setup: Client, settings: Settings) -> None:
    settings.PUBLIC_URL = "https://desk.example.com"
    page = html_of(setup.get(URL))
    for key, value in (
        ("domains", "desk.example.com"),
        ("policy", "https://desk.example.com/privacy/"),
        ("deletion", "https://desk.example.com/meta/data-deletion/"),
        ("deletion", "https://desk.example.com/privacy/data-deletion/"),
        ("redirect", "https://desk.example.com/accounts/facebook/login/callback/"),
        ("deauthorize", "https://desk.example.com/meta/deauthorize/"),
        ("webhook", "https://desk.example.com/webhooks/messenger/"),
    ):
        step = line(page, key)
        assert f'value="{value}"' in step
        field = re.search(rf'id="([^"]+)" value="{re.escape(value)}"', step)
        assert field
        assert f'data-copy="{field[1]}"' in step


def test_no_secret_is_on_the_page(setup: Client, settings: Settings) -> None:
    settings.META_VERIFY_TOKEN = "very-private-token"
    page = html_of(setup.get(URL))
    assert "very-private-token" not in page
    assert settings.META_APP_SECRET not in page


# --- Texts for App Review
def test_there_is_a_text_for_everything_that_a_login_asks_for(setup: Client, settings: Settings) -> None:
    settings.META_UTILITY_MESSAGES = True
    page = html_of(setup.get(URL))
    for name in (*scopes.SCOPES, scopes.UTILITY_SCOPES[0], scopes.HUMAN_AGENT_FEATURE, scopes.PROFILE_FEATURE):
        assert f"<summary>{name}</summary>" in page
        assert f"Advanced access: {name}" in page
        text = next(text for text in review.texts() if text.name == name)
        assert text.use in page.replace("&#x27;", "'")


def test_what_the_installation_does_not_use_is_not_asked_for(setup: Client, settings: Settings) -> None:
    settings.META_HUMAN_AGENT = settings.META_UTILITY_MESSAGES = False
    names = [text.name for text in review.texts()]
    assert scopes.HUMAN_AGENT_FEATURE not in names
    assert scopes.UTILITY_SCOPES[0] not in names
    assert "day before yesterday" not in html_of(setup.get(URL))
    settings.META_HUMAN_AGENT = True
    assert "day before yesterday" in html_of(setup.get(URL))


# --- Ticks
@time_machine.travel(datetime(2026, 11, 20, 12, 0, tzinfo=UTC), tick=False)
def test_a_tick_is_stored_with_who_and_when_and_can_be_removed(setup: Client, administrator: User) -> None:
    administrator.first_name, administrator.last_name = "Ada", "Byron"
    administrator.save()
    response = setup.post(f"{URL}tick/", {"key": "business", "done": "yes"})
    assert response["Location"] == f"{URL}#step-business"
    step = line(html_of(setup.get(URL)), "business")
    assert ">Done</span>" in step
    assert "Ticked by Ada Byron on" in step
    assert "20 November 2026, 12:00" in step
    setup.post(f"{URL}tick/", {"key": "business", "done": "no"})
    step = line(html_of(setup.get(URL)), "business")
    assert ">Cannot be checked from here</span>" in step
    assert "Ticked" not in step
    sentences = list(AuditEntry.objects.order_by("pk").values_list("sentence", flat=True))[-2:]
    assert sentences == [
        "Going live: “Business verification” ticked as done.",
        "Going live: “Business verification” no longer ticked as done.",
    ]


def test_ticking_twice_keeps_the_first_and_records_it_once(setup: Client, administrator: User) -> None:
    setup.post(f"{URL}tick/", {"key": "basic", "done": "yes"})
    before = GoLiveStep.objects.get(key="basic").ticked_at
    setup.post(f"{URL}tick/", {"key": "basic", "done": "yes"})
    assert GoLiveStep.objects.get(key="basic").ticked_at == before
    assert AuditEntry.objects.filter(sentence__contains="Icon, category").count() == 1


@pytest.mark.parametrize("key", ["app", "webhook", "nothing", "access:nothing", "", "a\x00b", "a\r\nb", "x" * 200])
def test_what_desk_checks_and_what_is_no_step_cannot_be_ticked(setup: Client, key: str) -> None:
    if key in ("app", "webhook"):
        GoLiveStep.objects.create(key=key, state=State.TO_DO, detail="Wrong.", checked_at=timezone.now())
    response = setup.post(f"{URL}tick/", {"key": key, "done": "yes"}, follow=True)
    assert "is checked by Desk" in html_of(response) or "There is no such step" in html_of(response)
    assert not GoLiveStep.objects.exclude(ticked_at=None).exists()
    assert GoLiveStep.objects.count() == (1 if key in ("app", "webhook") else 0)


def test_a_check_that_finds_a_fault_counts_more_than_a_tick(setup: Client) -> None:
    known = GoLiveStep.objects.create(key="mode", state=State.UNKNOWN, checked_at=timezone.now())
    setup.post(f"{URL}tick/", {"key": "mode", "done": "yes"})
    assert ">Done</span>" in line(html_of(setup.get(URL)), "mode")
    GoLiveStep.objects.filter(pk=known.pk).update(state=State.TO_DO, detail="A call was refused.")
    step = line(html_of(setup.get(URL)), "mode")
    assert ">To do</span>" in step
    assert "A call was refused." in step
    assert "Ticked by" not in step


def test_the_name_of_a_deleted_user_stays(setup: Client, administrator: User) -> None:
    setup.post(f"{URL}tick/", {"key": "basic", "done": "yes"})
    other = make_user("other", is_staff=True, is_superuser=True)
    User.objects.filter(pk=administrator.pk).delete()
    setup.force_login(other)
    assert "Ticked by admin" in line(html_of(setup.get(URL)), "basic")


# --- The first page of Setup
def test_the_first_page_shows_how_far_it_is_until_it_is_hidden_or_done(setup: Client) -> None:
    assert "Next: A public https address." in html_of(setup.get("/admin/"))
    setup.post(f"{URL}hide/", {"hidden": "yes"})
    assert URL not in html_of(setup.get("/admin/"))
    assert "Show on the first page" in html_of(setup.get(URL))
    setup.post(f"{URL}hide/", {"hidden": "no"})
    assert URL in html_of(setup.get("/admin/"))
    for step in catalogue.steps():
        GoLiveStep.objects.update_or_create(key=step.key, defaults={"state": State.DONE, "checked_at": timezone.now()})
    assert "Next: A test message." in html_of(setup.get("/admin/"))  # only a message can say so


# --- The request for the checks
def test_check_now_requests_the_checks_and_the_page_waits_for_them(setup: Client, meta: FakeMeta) -> None:
    assert setup.post(f"{URL}check-now/").status_code == 302
    assert meta.calls == []
    page = html_of(setup.get(URL))
    assert "Desk is checking" in page
    assert "data-reload" in page
    assert progress.is_due()
    assert tasks.check_going_live() > 0
    assert not progress.is_due()
    page = html_of(setup.get(URL))
    assert "data-reload" not in page
    assert "Checked" in page
    assert tasks.check_going_live() == 0


def test_without_a_worker_the_page_says_so_and_stops_waiting(setup: Client) -> None:
    setup.post(f"{URL}check-now/")
    GoLive.objects.update(due_at=timezone.now() - timedelta(seconds=61))
    page = html_of(setup.get(URL))
    assert "Is it running?" in page
    assert "data-reload" not in page
    assert "disabled" not in page


def test_checks_that_die_each_time_stop_after_three_attempts(setup: Client) -> None:
    setup.post(f"{URL}check-now/")
    for _ in range(progress.MAX_ATTEMPTS):
        assert progress._claim() is not None  # as a worker that dies in the middle
        GoLive.objects.update(due_at=timezone.now())
    assert tasks.check_going_live() == 0
    assert not progress.is_due()
    assert "stopped with an error" in html_of(setup.get(URL))
    assert setup.post(f"{URL}check-now/").status_code == 302
    assert progress.is_due()


def test_a_request_during_the_checks_is_not_lost(setup: Client) -> None:
    progress.request_checks()
    row = progress._claim()
    assert row is not None
    progress.request_checks()
    progress._finish(row, error="", checked_at=timezone.now())
    assert progress.is_due()


def test_the_address_is_in_the_place_that_documents_name() -> None:
    assert reverse("setup:go_live") == URL

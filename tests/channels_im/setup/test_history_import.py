"""The choice in Add Channel, and progress and buttons of the history import in Edit Channel, list and command."""

from datetime import timedelta
from io import StringIO
from typing import Any

import pytest
from django.core.management import CommandError, call_command
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from channels_im.models import Channel, ChannelDraft, HistoryImport
from channels_im.services import channels
from channels_im.services.facebook import history_requests
from desk.models import Department, User
from tests.channels_im.setup.files import upload
from tests.factories import make_channel, make_page
from tests.history import changes
from tests.pages import html_of

ADD = "/admin/instant-messaging/messenger/add/"
LIST = "/admin/instant-messaging/messenger/"
TASKS = ["MESSAGING", "MODERATE"]
State = HistoryImport.State


@pytest.fixture
def channel(departments: list[Department]) -> Channel:
    return make_channel(make_page("1001", name="Berg Bikes", tasks=TASKS), departments[0], name="Bikes")


def url(name: str, channel: Channel) -> str:
    return reverse(f"setup:messenger_{name}", args=[channel.pk])


def edit_page(setup: Client, channel: Channel) -> str:
    return html_of(setup.get(url("edit", channel)))


@pytest.mark.parametrize(("choice", "days"), [("", []), ("30", [30])])
def test_add_channel_imports_what_was_chosen(
    setup: Client, departments: list[Department], administrator: User, choice: str, days: list[int]
) -> None:
    page = make_page("1001", name="Berg Bikes", tasks=TASKS)
    assert "Import the last 90 days" in html_of(setup.get(ADD))
    fields = {"name": "Shop", "page": page.pk, "department": departments[0].pk, "history_days": choice}
    assert "Choose an icon" in html_of(setup.post(ADD, fields))
    assert ChannelDraft.objects.get().fields["history_days"] == choice
    if choice:
        assert f'value="{choice}" selected' in html_of(setup.get(ADD))
    setup.post(ADD, fields | {"icon": upload()})
    assert list(HistoryImport.objects.values_list("days", flat=True)) == days
    said = [entry.sentence for entry in changes(administrator)]
    assert any("Started the import of the history: the last 30 days" in sentence for sentence in said) == bool(days)


@pytest.mark.parametrize("choice", ["8", "-7", "x" * 300])
def test_add_channel_refuses_other_numbers_of_days(setup: Client, departments: list[Department], choice: str) -> None:
    page = make_page("1001", tasks=TASKS)
    fields = {"name": "Shop", "page": page.pk, "department": departments[0].pk, "icon": upload()}
    assert "Select how many days" in html_of(setup.post(ADD, fields | {"history_days": choice}))
    assert not Channel.objects.exists()


def test_the_import_is_started_paused_resumed_and_cancelled_on_the_page_of_the_channel(
    setup: Client, channel: Channel, administrator: User
) -> None:
    assert "Import history" in edit_page(setup, channel)
    setup.post(url("history_start", channel), {"history_days": "30"})
    row = HistoryImport.objects.get()
    assert (row.state, row.days) == (State.WAITING, 30)
    assert "Import history" not in edit_page(setup, channel)
    assert "already, or its import is not over" in html_of(
        setup.post(url("history_start", channel), {"history_days": "90"}, follow=True)
    )
    assert "Resume" in html_of(setup.post(url("history_pause", channel), follow=True))
    assert "Pause" in html_of(setup.post(url("history_resume", channel), follow=True))
    assert "What was imported stays." in html_of(setup.post(url("history_cancel", channel), follow=True))
    assert "was over or stopped already" in html_of(setup.post(url("history_cancel", channel), follow=True))
    row.refresh_from_db()
    assert (row.state, row.finished_at is None) == (State.CANCELLED, False)
    said = [entry.sentence for entry in changes(administrator).order_by("pk")]
    assert [sentence.split()[0] for sentence in said] == ["Started", "Paused", "Resumed", "Cancelled"]
    assert "Import history" in edit_page(setup, channel)


PROGRESS: list[tuple[dict[str, Any], dict[str, Any], list[str]]] = [
    ({}, {}, ["Counting conversations"]),
    ({"total_count": 300}, {}, ["Counting conversations", "300 conversations so far"]),
    (
        {"is_counted": True, "total_count": 900, "conversation_count": 212, "inserted_count": 1204},
        {},
        ["Importing", "212 of about 900 conversations", "1,204 messages imported"],
    ),
    (
        {"is_counted": True, "total_count": 2000, "is_total_lower_bound": True},
        {},
        ["0 of more than 2,000 conversations"],
    ),
    ({"beyond_reach_count": 31}, {}, ["31 out of reach", "only the newest 20 messages"]),
    ({}, {"connection": "reauth_required", "reauth_reason": "token_expired"}, ["Waiting. Re-authenticate the Page"]),
    ({"error": "Too many."}, {"background_limited_until": "soon"}, ["Waiting until", "by itself. Too many."]),
    ({"state": "failed", "error": "It broke."}, {}, ["Stopped. It broke.", "Import history"]),
    ({"state": "done", "conversation_count": 7, "days": 7}, {}, ["Done", "7 conversations", "Import more"]),
    ({"state": "done", "days": 90}, {}, ["Done"]),
]


@pytest.mark.parametrize(("fields", "page", "expected"), PROGRESS)
def test_progress_is_told_on_the_page_of_the_channel_and_in_the_list(
    setup: Client, channel: Channel, fields: dict[str, Any], page: dict[str, Any], expected: list[str]
) -> None:
    now = timezone.now()
    times = {"since": now, "until": now, "finished_at": now if "state" in fields else None}
    HistoryImport.objects.create(channel=channel, page=channel.page, **({"days": 30} | times | fields))
    if page.get("background_limited_until"):
        page = {"background_limited_until": now + timedelta(minutes=2)}
    for name, value in page.items():
        setattr(channel.page, name, value)
    channel.page.save()
    shown, listed = edit_page(setup, channel), html_of(setup.get(LIST))
    for words in expected:
        assert words in shown
    assert expected[0] in listed
    fragment = html_of(setup.get(url("history", channel)))
    assert expected[0] in fragment
    assert ("data-refresh" in fragment) == ("state" not in fields)


def test_a_deleted_channel_imports_nothing(setup: Client, channel: Channel, administrator: User) -> None:
    history_requests.start(administrator, channel, 7)
    channels.delete(administrator, channel)
    assert HistoryImport.objects.get().state == State.CANCELLED
    assert setup.post(url("history_start", channel), {"history_days": "7"}).status_code == 404
    assert history_requests.possible_days(Channel.objects.get()) == ()


def test_without_the_permission_nothing_can_be_started(client: Client, channel: Channel) -> None:
    assert client.post(url("history_start", channel), {"history_days": "7"}).status_code in (302, 403)
    assert not HistoryImport.objects.exists()


def test_the_command_starts_stops_and_shows(channel: Channel) -> None:
    def run(*arguments: str) -> str:
        out = StringIO()
        call_command("import_history", "1001", *arguments, stdout=out)
        return out.getvalue()

    assert "no history was imported" in run()
    assert "Bikes, 30 days: Counting conversations" in run("--days", "30")
    assert "Paused" in run("--pause")
    assert "Counting" in run("--resume")
    assert "Cancelled" in run("--cancel")
    with pytest.raises(CommandError, match="no import to pause"):
        run("--pause")
    with pytest.raises(CommandError, match="No channel has the Page 5"):
        call_command("import_history", "5")

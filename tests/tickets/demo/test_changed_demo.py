"""`demo_data` runs at every `make run`: whatever people changed meanwhile, it ends well and loses nothing."""

from collections.abc import Callable, Iterator
from io import StringIO
from typing import Any

import pytest
from django.core.management import CommandError, call_command
from django.utils import timezone
from pytest_django import Settings

from channels_im.models import Channel, ChannelAgent, Page
from channels_im.services import channels
from channels_im.services.facebook import linking
from desk.models import Agent, Department, User
from tests.matching import present
from tests.sandbox.process import BERG_BIKES, SandboxProcess
from tests.tickets.services.privacy.erased_contact import everything
from tickets.demo import history
from tickets.models import Contact, Conversation, Message
from tickets.services.inbox import actions
from tickets.services.privacy import erasure

pytestmark = [pytest.mark.django_db, pytest.mark.processes]


@pytest.fixture(scope="module")
def sandbox_process() -> Iterator[SandboxProcess]:
    with SandboxProcess() as process:
        yield process


@pytest.fixture(autouse=True)
def sandbox(sandbox_process: SandboxProcess, settings: Settings) -> SandboxProcess:
    """A sandbox as it is at its first start, in place of Meta."""
    sandbox_process.reset(history=True)
    settings.META_GRAPH_URL = settings.META_DIALOG_URL = sandbox_process.url
    settings.META_MEDIA_HOSTS = ["127.0.0.1"]
    return sandbox_process


def load() -> str:
    out = StringIO()
    call_command("demo_data", stdout=out)
    return out.getvalue()


def admin() -> User:
    return User.objects.get(username="admin")


def channel() -> Channel:
    return Channel.objects.get()


@pytest.mark.slow
def test_the_first_start_makes_everything_and_the_second_nothing() -> None:
    assert load().startswith("Demo data created: 3 departments, 3 users, 1 channel, ")
    assert Message.objects.count() > 40
    before = everything()
    assert load() == "The demo data already exist.\n"
    assert everything() == before


def rename_customer() -> None:
    Contact.objects.update(name="Somebody else", about="likes tea")


def erase_customer() -> None:
    erasure.erase(admin(), present(Contact.objects.first()))


def deactivate_channel() -> None:
    channels.deactivate(admin(), channel())


def delete_channel() -> None:
    channels.delete(admin(), channel())


def lose_page() -> None:
    Page.objects.update(
        connection="reauth_required", reauth_reason="token_expired", reauth_since=timezone.now(), page_token=None
    )


def rename_departments() -> None:
    for department in Department.objects.all():
        department.name = f"Team {department.pk}"
        department.save()


def delete_departments() -> None:
    Department.objects.exclude(pk=channel().department_id).delete()


def delete_all_departments() -> None:
    Department.objects.all().delete()


def rename_users() -> None:
    for user in User.objects.all():
        user.username, user.email = f"user{user.pk}", f"u{user.pk}@company.example"
        user.save()


def deactivate_users() -> None:
    User.objects.update(is_active=False)


def write_note() -> None:
    actions.add_note(User.objects.get(username="alice"), present(Conversation.objects.first()), "Calls next week")


CHANGES: dict[str, tuple[list[Callable[[], None]], list[str]]] = {
    "customers": ([rename_customer, write_note, rename_departments, erase_customer], []),
    "off": (
        [deactivate_channel, lose_page, deactivate_users],
        [
            "The channel Berg Bikes is deactivated.",
            "The Page Berg Bikes is disconnected.",
            "The user admin is deactivated",
        ],
    ),
    "gone": (
        [delete_departments, delete_channel, rename_users],
        ["The channel Berg Bikes was deleted.", "There is no user alice any more."],
    ),
}


@pytest.mark.parametrize("name", CHANGES)
def test_what_people_changed_stays_and_is_said(name: str) -> None:
    changes, sentences = CHANGES[name]
    load()
    for change in changes:
        change()
    before = everything()
    said = load()
    assert said.startswith("The demo data already exist.")
    assert [sentence for sentence in sentences if sentence not in said] == []
    assert everything() == before


@pytest.mark.parametrize(
    ("stop", "change"),
    [
        ((linking, "save_grant"), delete_all_departments),
        ((ChannelAgent.objects, "create"), rename_departments),
        ((history, "_finish"), rename_users),
    ],
    ids=["after the users", "after the link", "after the channel"],
)
def test_a_start_that_was_killed_is_completed_by_the_next(
    monkeypatch: pytest.MonkeyPatch, stop: tuple[Any, str], change: Callable[[], None]
) -> None:
    """And something was changed before the next start as well."""

    def kill(*args: object, **options: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as killed:
        killed.setattr(*stop, kill)
        with pytest.raises(KeyboardInterrupt):
            load()
    change()
    load()
    assert Message.objects.filter(conversation__channel=channel()).count() > 40
    assert ChannelAgent.objects.filter(channel=channel()).count() == Agent.objects.count()
    assert load().startswith("The demo data already exist.")


def test_a_sandbox_that_was_started_afresh_is_linked_again(sandbox: SandboxProcess) -> None:
    load()
    old = Page.objects.get(page_id=BERG_BIKES).page_token
    Page.objects.update(subscription_due_at=None)
    sandbox.reset(history=True)
    assert "linked again" in load()
    page = Page.objects.get(page_id=BERG_BIKES)
    assert page.page_token != old
    assert page.is_connected
    assert page.subscription_due_at is not None
    assert load() == "The demo data already exist.\n"


def test_what_was_disconnected_on_purpose_is_not_linked_again(sandbox: SandboxProcess) -> None:
    load()
    sandbox.act("remove_app", person="anna", callback=False)
    before = everything()
    assert "linked again" not in load()
    assert everything() == before


def test_a_sandbox_without_the_page_or_the_person_is_one_sentence(
    sandbox: SandboxProcess, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tickets.demo.channel.PERSON", "nobody")
    assert "Anna Berg's Pages could not be linked. The sandbox answered 400" in load()
    assert User.objects.count() == 3
    monkeypatch.setattr("tickets.demo.channel.PERSON", "omar")
    assert "The sandbox has no Page Berg Bikes for Anna Berg. Link another Page in Setup." in load()
    assert not Channel.objects.exists()


def test_too_many_channels_is_one_sentence(sandbox: SandboxProcess) -> None:
    load()
    delete_channel()
    Conversation.objects.all().delete()
    Channel.objects.all().delete()
    Department.objects.exclude(name="Sales").delete()
    other = Page.objects.exclude(page_id=BERG_BIKES)[0]
    sales = Department.objects.get()
    Channel.objects.create(page=other, department=sales, name="Own", icon="own.png")
    assert "The channel of Berg Bikes could not be created. You have 1 of 1 possible channel" in load()
    assert Channel.objects.get().name == "Own"


def test_conversations_that_are_not_complete_are_left_out(monkeypatch: pytest.MonkeyPatch) -> None:
    real = history._import_one

    def damaged(own: Channel, data: dict[str, Any], authors: dict[str, User]) -> int:
        if data["customer"] == "tom":
            del data["messages"][-1]["ts"]
        if data["customer"] == "lena":
            data["messages"][-1] |= {"ts": "yesterday"}
        return real(own, data, authors)

    monkeypatch.setattr(history, "_import_one", damaged)
    assert "2 conversations of the sandbox are not complete and were left out." in load()
    assert Conversation.objects.count() >= 8


def test_users_that_are_not_the_demos_are_still_refused() -> None:
    User.objects.create_user("admin", "admin@company.example", "desk-demo", is_superuser=True, is_staff=True)
    with pytest.raises(CommandError, match="users of its own"):
        load()

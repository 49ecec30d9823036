"""`manage.py loadtest` refuses what is no demo, and removes its own customers only."""

import io
from typing import Any

import pytest
from django.contrib.sessions.models import Session
from django.core.management import CommandError, call_command
from django.test import override_settings

from channels_im.models import WebhookDelivery
from desk.errors import Refused
from tests import factories as make
from tickets.management.loadtest import customers, sending
from tickets.models import Contact, Conversation, Message, Viewer

pytestmark = pytest.mark.django_db(transaction=True)
SANDBOX = override_settings(META_GRAPH_URL="http://localhost:8090")


def load_of(page_id: str, psids: list[str], **fields: Any) -> sending.Load:
    given = {"url": "http://localhost", "secret": "s", "mark": "mark", "rate": 1.0, "seconds": 2.0}
    return sending.Load(page_id=page_id, psids=psids, **{**given, **fields})


def test_an_installation_that_is_no_demo_is_refused() -> None:
    make.make_admin()
    channel = make.make_channel(name="Real")
    with pytest.raises(CommandError, match="This is not the demo"):
        call_command("loadtest", "--seconds", "1")
    with pytest.raises(CommandError, match="no such channel"):
        call_command("loadtest", "--yes-real-data", "Another")
    assert customers.channel_for("", "Real") == channel
    assert not Contact.objects.exists()


@SANDBOX
def test_the_sandbox_alone_makes_no_demo() -> None:
    make.make_admin()
    make.make_channel()
    with pytest.raises(Refused, match="This is not the demo"):
        customers.channel_for("", "")
    make.make_user("ada", email="ada@desk.example")
    assert customers.channel_for("", "").name


@SANDBOX
def test_the_page_can_be_chosen_and_must_be_connected() -> None:
    make.make_user("ada", email="ada@desk.example")
    make.make_channel(make.make_page("first"))
    second = make.make_channel(make.make_page("second"))
    make.make_channel(make.make_page("third", connection="reauth_required", reauth_reason="token_expired"))
    assert customers.channel_for("second", "") == second
    with pytest.raises(Refused):
        customers.channel_for("third", "")


def test_customers_are_recognised_and_made_once() -> None:
    channel = make.make_channel()
    made = customers.create(channel, 2)
    assert customers.create(channel, 3)[:2] == made
    rows = Contact.objects.order_by("pk").values_list("psid", "name", "profile_state")
    assert list(rows) == [(f"loadtest-{place}", f"Load test {place}", "fetched") for place in (1, 2, 3)]


def test_clean_up_removes_their_data_and_nothing_else() -> None:
    channel = make.make_channel()
    other = make.make_conversation(channel)
    make.receive(other, 'She says "loadtest-1" is my name')
    [conversation] = customers.create(channel, 1)
    make.receive(conversation, "Load test mark 0")
    load = load_of(channel.page.page_id, ["loadtest-1"])
    state = WebhookDelivery.State.DONE
    WebhookDelivery.objects.create(body=load.body(0), state=state)
    like = make.text_item(channel.page, "77", 'I am "loadtest-1"')
    kept = WebhookDelivery.objects.create(body=make.body_of(make.delivery(channel.page, like)), state=state)
    out = io.StringIO()
    call_command("loadtest", "--clean-up", stdout=out)
    assert out.getvalue() == "1 customers and 1 deliveries of load tests removed.\n"
    assert list(Conversation.objects.all()) == [other]
    assert Message.objects.count() == 1
    assert list(WebhookDelivery.objects.all()) == [kept]
    call_command("verify_integrity", stdout=io.StringIO())  # exits with 1 when it finds something


def test_clean_up_waits_for_what_is_being_processed() -> None:
    channel = make.make_channel()
    customers.create(channel, 1)
    body = load_of(channel.page.page_id, ["loadtest-1"]).body(0)
    WebhookDelivery.objects.create(body=body, state=WebhookDelivery.State.PROCESSING)
    with pytest.raises(CommandError, match="Try again in a few seconds"):
        call_command("loadtest", "--clean-up")
    assert Contact.objects.count() == 1


@SANDBOX
def test_where_nobody_answers_it_says_so_and_leaves_no_session_and_no_open_page() -> None:
    make.make_user("ada", email="ada@desk.example")
    make.make_admin()
    make.make_channel()
    with pytest.raises(CommandError, match=r"Desk does not answer at http://127\.0\.0\.1:9"):
        call_command("loadtest", "--url", "http://127.0.0.1:9", stdout=io.StringIO())
    assert not Session.objects.exists()
    assert not Viewer.objects.exists()


@pytest.mark.parametrize(
    "option", [("--rate", "0"), ("--seconds", "0"), ("--customers", "0"), ("--rate", "1e9"), ("--url", "here")]
)
def test_impossible_options_are_refused(option: tuple[str, str]) -> None:
    with pytest.raises(CommandError, match=r"--rate is up to|--url is an address"):
        call_command("loadtest", *option)


def test_a_delivery_is_what_the_webhook_takes() -> None:
    channel = make.make_channel()
    load = load_of(channel.page.page_id, ["loadtest-1", "loadtest-2"])
    assert load.number == 2
    assert load.mid(1) != load.mid(0)
    assert b'"loadtest-2"' in load.body(1)

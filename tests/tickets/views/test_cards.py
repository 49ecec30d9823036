"""What agents see of cards: several in a bubble, pictures, choices with the tapped one, the banner of another app."""

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from django.test import Client

from desk.models import User
from tests.matching import search
from tests.pages import html_of
from tickets.models import Conversation, ThreadControlRequest

from . import world
from .world import NOON

MINUTE = timedelta(minutes=1)
HX = {"HX-Request": "true"}


@pytest.fixture
def conversation(desk: world.Desk) -> Conversation:
    return world.make_conversation(desk.shop)


def thread(client: Client, conversation: Conversation) -> str:
    return html_of(client.get(f"/inbox/{conversation.pk}/"))


def card(title: str, kind: str = "link", **fields: Any) -> dict[str, Any]:
    return {"kind": kind, "title": title, "text": "", "url": None, **fields}


AD = card("Came from an ad: Wheels", "ad", text="Ad 6041", url="https://www.facebook.com/9")


def test_a_message_shows_its_text_and_every_card(alice: Client, conversation: Conversation) -> None:
    world.say(conversation, "Still there?", card={**card("Wheel", url="https://shop.example/w"), "more": [AD]})
    shown = thread(alice, conversation)
    for words in ("Still there?", "Wheel</bdi>", "Came from an ad: Wheels", 'href="https://www.facebook.com/9"'):
        assert words in shown


@pytest.mark.parametrize("kind", ["message", "event"])
def test_the_picture_of_an_ad_is_inside_its_card_and_no_file_beside_it(
    alice: Client, conversation: Conversation, kind: str
) -> None:
    fields: dict[str, Any] = {"kind": "event", "ticket": None, "source": "system"} if kind == "event" else {}
    message = world.say(conversation, "", card={**AD, "picture": 0}, **fields)
    picture = world.attach(message, "wheels.png")
    shown = thread(alice, conversation).partition('id="details"')[0]
    bubble = search(r'<div class="card card--ad">.*?</div>\s*</div>', shown)[0]
    address = f"/inbox/{conversation.pk}/files/{picture.pk}/"
    assert f'src="{address}"' in bubble
    assert shown.count(f'src="{address}"') == 1


def test_a_picture_that_is_not_stored_leaves_the_card(alice: Client, conversation: Conversation) -> None:
    world.attach(world.say(conversation, "", card={**AD, "picture": 0}), "wheels.png", state="failed")
    shown = thread(alice, conversation)
    assert "Came from an ad: Wheels" in shown
    assert "file--failed" not in shown


def offer(conversation: Conversation, desk: world.Desk, **fields: Any) -> None:
    choices = [{"title": title, "url": None, "payload": title.upper()} for title in ("Yes", "No")]
    world.say(
        conversation, "Sure?", author=desk.alice, card=card("Quick replies", "quick_replies", choices=choices), **fields
    )


def choices_of(shown: str) -> list[bool]:
    """Return for each choice on the page whether it is marked as tapped."""
    return ["choice--tapped" in part.partition(">")[0] for part in shown.split('<li class="choice')[1:]]


@pytest.mark.parametrize("payload", ["NO", None])
def test_the_choice_that_was_tapped_is_marked(
    alice: Client, desk: world.Desk, conversation: Conversation, payload: str | None
) -> None:
    offer(conversation, desk)
    assert choices_of(thread(alice, conversation)) == [False, False]
    world.say(conversation, "No", at=NOON + MINUTE, card=card("Tap", "postback", payload=payload))
    shown = thread(alice, conversation)
    assert choices_of(shown) == [False, True]
    assert '<p class="tap">Tap</p>' in shown


def test_a_tap_belongs_to_the_last_message_before_it_that_offers_it(
    alice: Client, desk: world.Desk, conversation: Conversation
) -> None:
    for minutes in (0, 2, 6):
        offer(conversation, desk, at=NOON + minutes * MINUTE)
    world.say(conversation, "Yes", at=NOON + 3 * MINUTE, card=card("Tap", "quick_reply", payload="YES"))
    assert choices_of(thread(alice, conversation)) == [False, False, True, False, False, False]


def test_where_they_came_from_shows_the_newest_and_the_first_with_picture(
    alice: Client, conversation: Conversation
) -> None:
    message = world.say(conversation, "hi")
    picture = world.attach(message, "wheels.png")
    origins = [
        {**card(f"Came from an ad: {n}", "ad"), "at": (NOON + n * MINUTE).isoformat(), "message": message.pk}
        for n in range(5)
    ]
    origins[0]["picture"] = 0
    contact = conversation.contact
    contact.origins = origins
    contact.save()
    details = search(r'aria-label="Where they came from">.*?</section>', thread(alice, conversation))[0]
    assert [n for n in range(5) if f"ad: {n}<" in details] == [0, 3, 4]
    assert details.index("ad: 4<") < details.index("ad: 0<")
    assert f"/files/{picture.pk}/" in details


def test_search_finds_the_words_of_cards(alice: Client, desk: world.Desk, conversation: Conversation) -> None:
    message = world.say(conversation, "hello", card=card("Came from an ad: Frühling Wheels", "ad"))
    other = world.make_conversation(desk.shop, "Tom")
    world.say(other, "fruhling")
    shown = html_of(alice.get("/inbox/", {"q": "fruhling wheels", "view": "all"}))
    assert f'href="/inbox/{conversation.pk}/' in shown
    assert f'href="/inbox/{other.pk}/' not in shown
    assert "<mark>Frühling</mark>" in shown
    message.withdrawn_at = NOON
    message.save()
    assert f'href="/inbox/{conversation.pk}/' not in html_of(alice.get("/inbox/", {"q": "wheels", "view": "all"}))


def test_a_file_on_another_host_can_be_opened_there(alice: Client, conversation: Conversation) -> None:
    message = world.say(conversation, "")
    world.attach(message, "cat.gif", state="refused", reason="Elsewhere.", source_url="https://media.example/cat.gif")
    world.attach(message, "a.png", position=1, state="failed", source_url="https://scontent.xx.fbcdn.net/a.png")
    shown = thread(alice, conversation)
    assert 'href="https://media.example/cat.gif"' in shown
    assert "scontent" not in shown


# --- Another app ------------------------------------------------------------------------------------------------------
@pytest.mark.slow
@pytest.mark.parametrize(
    ("owner", "name"),
    [("263902037430900", "The Page inbox"), ("222", "App 222"), (Conversation.UNKNOWN_APP, "Another app")],
)
def test_the_banner_names_the_app_and_offers_control(
    alice: Client, conversation: Conversation, owner: str, name: str
) -> None:
    assert "Take control" not in thread(alice, conversation)
    Conversation.objects.update(thread_owner_app_id=owner)
    shown = thread(alice, conversation)
    assert f"<bdi>{name}</bdi> controls this conversation" in shown
    for action, words in (("take-control", "Taking control…"), ("request-control", "Requesting control…")):
        assert f"/inbox/{conversation.pk}/{action}/" in shown
        answer = html_of(alice.post(f"/inbox/{conversation.pk}/{action}/", headers=HX))
        assert words in answer
    ThreadControlRequest.objects.update(state="refused", reason="No default app.")
    refused = thread(alice, conversation)
    assert "Control was not requested." in refused
    assert "No default app." in refused
    assert "take-control" in refused


def test_taking_what_nobody_holds_is_refused_with_a_sentence(alice: Client, conversation: Conversation) -> None:
    answer = alice.post(f"/inbox/{conversation.pk}/take-control/", headers=HX)
    assert answer.status_code == 422
    assert "No other app controls this conversation" in html_of(answer)
    assert not ThreadControlRequest.objects.exists()


def test_a_stranger_cannot_take_control(
    desk: world.Desk, as_user: Callable[[User], Client], conversation: Conversation
) -> None:
    Conversation.objects.update(thread_owner_app_id="222")
    assert as_user(desk.bob).post(f"/inbox/{conversation.pk}/take-control/").status_code == 404
    assert not ThreadControlRequest.objects.exists()

"""Stickers and templates that agents send from the composer, by whole requests."""

import re
from datetime import timedelta

from django.test import Client
from django.utils import timezone

from channels_im.messenger.attachment_cards import THUMBS_UP
from channels_im.models import MessageTemplate
from tests.pages import html_of
from tickets.models import Conversation, Draft

from . import world
from .replies import HX, out, send


def test_a_sticker_that_a_customer_sent_can_be_sent_with_its_picture(
    alice: Client, conversation: Conversation, desk: world.Desk
) -> None:
    theirs = world.say(conversation, "", at=timezone.now(), sent_as={"sticker_id": "8817"})
    world.attach(theirs, "cat.png", kind="sticker")
    hidden = world.say(world.make_conversation(desk.service), "", sent_as={"sticker_id": "4004"})
    world.attach(hidden, "dog.png", kind="sticker")
    offered = html_of(alice.get(f"/inbox/{conversation.pk}/stickers/", headers=HX))
    assert re.findall(r'data-sticker="(\d+)"', offered) == [*THUMBS_UP, "8817"]

    alice.post(f"/inbox/{conversation.pk}/draft/", {"text": "half a text"})
    response = send(alice, conversation, sticker_id="8817", client_key="k1")
    send(alice, conversation, sticker_id="8817", client_key="k1")
    (message,) = out(conversation)
    assert (message.text, message.sent_as) == ("", {"sticker_id": "8817"})
    assert message.attachments.get().kind == "sticker"
    assert 'class="sticker"' in html_of(response)
    assert Draft.objects.get().text == "half a text"


def test_a_thumb_is_shown_as_one_and_is_refused_after_a_day(alice: Client, conversation: Conversation) -> None:
    assert "👍 Thumbs up" in html_of(send(alice, conversation, sticker_id="369239383222810"))
    conversation.last_customer_message_at = timezone.now() - timedelta(days=2)
    conversation.save()
    refused = send(alice, conversation, sticker_id="369239383222810")
    assert refused.status_code == 422
    assert "only in the first 24 hours" in html_of(refused)
    assert len(out(conversation)) == 1
    assert send(alice, conversation, sticker_id="12a").status_code == 422


def test_a_template_is_offered_filled_in_and_sent_where_the_window_is_shut(
    alice: Client, conversation: Conversation, desk: world.Desk
) -> None:
    page = conversation.channel.page
    make = MessageTemplate.objects.create
    template = make(page=page, name="shipped", language="en", body="Hi {{1}}, order {{2}} left.", state="approved")
    make(page=page, name="sale", language="en", body="Sale!", state="rejected")
    foreign = make(page=desk.service.page, name="other", language="en", body="Other", state="approved")
    conversation.last_customer_message_at = timezone.now() - timedelta(days=30)
    conversation.save()
    shown = html_of(alice.get(f"/inbox/{conversation.pk}/", headers=HX))
    assert "Send a template" in shown
    offered = html_of(alice.get(f"/inbox/{conversation.pk}/templates/", headers=HX))
    assert re.findall(r'data-template="(\d+)"', offered) == [str(template.pk)]
    assert re.findall(r'data-placeholder="(\w+)"\s+value="(\w*)"', offered) == [("1", "Rosa"), ("2", "")]

    for wrong in ({"template": template.pk, "template_value": ["Rosa", ""]}, {"template": foreign.pk}):
        assert send(alice, conversation, **wrong).status_code == 422
    sent = send(alice, conversation, template=template.pk, template_value=["Rosa", "77"], client_key="k1")
    assert "Hi Rosa, order 77 left." in html_of(sent)
    (message,) = out(conversation)
    assert (message.state, message.waits_for_customer) == ("queued", False)

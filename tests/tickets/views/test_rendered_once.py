"""Rows and messages are rendered once for all who see the same: after any change, each reader sees what is true now."""

import itertools
import random
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta
from typing import Any

import pytest
import time_machine
from django.test import Client
from django.utils import timezone

from channels_im.models import Channel
from desk.models import User
from tickets.models import (
    Attachment,
    Contact,
    Conversation,
    Draft,
    Label,
    Message,
    PageReaction,
    ScheduledReply,
    Ticket,
)
from tickets.views import item_html, rows

from . import world

Change = Callable[[random.Random], object]
ZONES = ("Europe/Berlin", "America/New_York")
STEPS = 60


@contextmanager
def rendered_anew(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Render rows and items inside the `with` block as if nothing had been rendered before."""
    with monkeypatch.context() as patch:
        patch.setattr(rows, "_rendered", lambda facts, _language, _zone: rows._render(facts))
        patch.setattr(item_html, "_rendered", item_html._Rendered())
        yield


def shown_to(client: Client, conversation: Conversation, zone: str) -> list[str]:
    """Return what the list and the thread show in this time zone."""
    client.cookies["desk_zone"] = zone
    headers = {"HX-Request": "true"}
    conversation.refresh_from_db()
    view = "snoozed" if conversation.is_snoozed else "all"
    addresses = (f"/inbox/rows/?view={view}&before=", f"/inbox/{conversation.pk}/messages/")
    parts = [client.get(address, headers=headers).content.decode() for address in addresses]
    thread = parts[1].partition('data-part="items"')[2].partition('data-part="thread-head"')[0]
    assert "row-item" in parts[0]
    assert "message" in thread
    return [parts[0], thread]


class Changes:
    """Changes of everything that a row or a message may show, written as other processes write them."""

    def __init__(self, desk: world.Desk, conversation: Conversation) -> None:
        self.desk, self.conversation = desk, conversation
        self.keys = itertools.count()
        self.people: list[User] = [desk.alice, desk.root, desk.bob]
        self.labels = [Label.objects.create(name=name, key=name.lower(), color="blue") for name in ("VIP", "Refund")]
        self.every: list[Change] = [
            self.message, self.message, self.state, self.edit, self.withdraw, self.reaction, self.note, self.file,
            self.contact, self.channel, self.assignee, self.rename, self.ticket, self.label, self.unread, self.draft,
            self.snooze, self.schedule, self.window, self.waiting, self.quote,
        ]  # fmt: skip

    def _update(self, **fields: Any) -> None:
        Conversation.objects.filter(pk=self.conversation.pk).update(**fields)

    def _some_message(self, chance: random.Random) -> Message:
        return chance.choice(list(self.conversation.messages.all()))

    def _change_message(self, chance: random.Random, **fields: Any) -> None:
        Message.objects.filter(pk=self._some_message(chance).pk).update(**fields)

    def message(self, chance: random.Random) -> None:
        author, now = chance.choice([None, *self.people]), timezone.now()
        text = chance.choice(["Hello", "See https://example.com/ <b>", "Line\n" * 30])
        said = world.say(self.conversation, text, author=author, at=now, client_key=f"key-{next(self.keys)}")
        ours = author is not None
        self._update(last_message_at=now, preview=said.text[:9], preview_is_ours=ours)

    def quote(self, chance: random.Random) -> None:
        self._change_message(chance, reply_to_mid=self._some_message(chance).mid)

    def state(self, chance: random.Random) -> None:
        state = chance.choice(["queued", "sent", "delivered", "read", "failed", "held", "unsure"])
        ours = self.conversation.messages.filter(direction="out", kind="message")
        last = ours.order_by("-pk")[:1].values("pk")
        values = {"reason": chance.choice(["", "Too long"]), "read_at": timezone.now(), "delivered_at": timezone.now()}
        Message.objects.filter(pk__in=last).update(state=state, **values)

    def edit(self, chance: random.Random) -> None:
        self._change_message(chance, text=f"Edited {chance.random()}", edited_at=timezone.now())

    def withdraw(self, chance: random.Random) -> None:
        self._change_message(chance, withdrawn_at=timezone.now())

    def reaction(self, chance: random.Random) -> None:
        message = self._some_message(chance)
        state = chance.choice(PageReaction.State.values)
        PageReaction.objects.update_or_create(message=message, defaults={"emoji": "❤", "state": state})
        self._change_message(chance, reactions=[{"by": "customer", "emoji": chance.choice("😀👍")}])

    def note(self, chance: random.Random) -> None:
        who = chance.choice(self.people)
        key = f"key-{next(self.keys)}"
        world.say(self.conversation, "A note", kind="note", author=who, at=timezone.now(), client_key=key)

    def file(self, chance: random.Random) -> None:
        rows = Attachment.objects.filter(message__conversation=self.conversation)
        if rows and chance.random() < 0.6:
            rows.update(state=chance.choice(["stored", "failed", "refused"]), reason=str(chance.random()))
        else:
            world.attach(self._some_message(chance), source_url="https://x.fbcdn.net/a", position=rows.count())

    def contact(self, chance: random.Random) -> None:
        fields: dict[str, Any] = chance.choice(
            [
                {"name": f"Rosa {chance.random()}"},
                {"name": ""},
                {"picture": "contacts/other.png"},
                {"blocked_at": timezone.now()},
                {"blocked_at": None},
            ]
        )
        Contact.objects.filter(pk=self.conversation.contact_id).update(**fields)

    def channel(self, chance: random.Random) -> None:
        fields: dict[str, Any] = chance.choice(
            [{"icon": ""}, {"icon": "icons/one.png"}, {"is_active": False}, {"is_active": True}]
        )
        Channel.objects.filter(pk=self.conversation.channel_id).update(**fields)

    def assignee(self, chance: random.Random) -> None:
        self._update(assignee=chance.choice([None, *self.people]))

    def rename(self, chance: random.Random) -> None:
        User.objects.filter(pk=chance.choice(self.people).pk).update(first_name=f"Name {chance.random()}")

    def ticket(self, chance: random.Random) -> None:
        closed_at = chance.choice([None, timezone.now()])
        fields = {"priority": chance.choice(Ticket.Priority.values), "status": "closed" if closed_at else "open"}
        Ticket.objects.filter(conversation=self.conversation).update(closed_at=closed_at, **fields)

    def label(self, chance: random.Random) -> None:
        label = chance.choice(self.labels)
        if chance.random() < 0.5:
            Label.objects.filter(pk=label.pk).update(name=f"L {chance.random()}", color=chance.choice(["red", "green"]))
        else:
            Ticket.objects.get(conversation=self.conversation).labels.set(chance.sample(self.labels, 1))

    def unread(self, chance: random.Random) -> None:
        self._update(unread_count=chance.choice([0, 1, 2, 9, 10, 60]))

    def draft(self, chance: random.Random) -> None:
        values = {"text": chance.choice(["", "My draft <b>", "Another"])}
        Draft.objects.update_or_create(user=chance.choice(self.people), conversation=self.conversation, defaults=values)

    def snooze(self, chance: random.Random) -> None:
        until = chance.choice([None, timezone.now() + timedelta(hours=chance.randint(1, 50))])
        self._update(is_snoozed=chance.random() < 0.5, snoozed_until=until)

    def schedule(self, chance: random.Random) -> None:
        ScheduledReply.objects.filter(conversation=self.conversation).delete()
        self._update(has_scheduled=True)
        state = chance.choice(["scheduled", "not_sent"])
        at, writer = timezone.now() + timedelta(hours=chance.randint(1, 40)), chance.choice(self.people)
        ScheduledReply.objects.create(
            conversation=self.conversation,
            author=writer,
            text="Later",
            send_at=at,
            state=state,
            due_at=at if state == "scheduled" else None,
        )

    def window(self, chance: random.Random) -> None:
        self._update(last_customer_message_at=timezone.now() - timedelta(hours=chance.randint(0, 180)))

    def waiting(self, chance: random.Random) -> None:
        self._update(waiting_since=chance.choice([None, timezone.now() - timedelta(hours=chance.randint(0, 60))]))


@pytest.mark.slow
@pytest.mark.parametrize("seed", [1, 2])
def test_after_any_change_every_reader_sees_what_is_true_now(
    seed: int, desk: world.Desk, as_user: Callable[[User], Client], monkeypatch: pytest.MonkeyPatch
) -> None:
    chance = random.Random(seed)  # noqa: S311 - no secret
    User.objects.filter(pk=desk.root.pk).update(language="de")
    clients = [as_user(desk.alice), as_user(desk.root)]
    with time_machine.travel(world.NOON, tick=False) as clock:
        conversation = world.make_conversation(desk.shop)
        world.say(conversation, "Hello")
        world.say(conversation, "Our answer", author=desk.alice, client_key="k" * 24)
        changes = Changes(desk, conversation)
        for _step in range(STEPS):
            if chance.random() < 0.4:
                clock.shift(chance.choice([20, 70, 3_600, 40_000, 90_000]))
            change = chance.choice(changes.every)
            change(chance)
            client, zone = chance.choice(clients), chance.choice(ZONES)
            shown = shown_to(client, conversation, zone)
            with rendered_anew(monkeypatch):
                assert shown == shown_to(client, conversation, zone), change

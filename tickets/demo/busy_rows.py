"""The conversations of the busy demo as rows, for tables that are filled in bulk.

What follows from messages (counters, previews, times, who waits) is computed by tickets.rules.conversation_state, as
for a conversation that came in message by message.
"""

from dataclasses import dataclass, field
from datetime import datetime, timedelta
from random import Random
from typing import Any, TypeVar

from django.db.models import Model
from django.db.models.base import ModelState

from channels_im.models import Channel
from desk.models import User
from desk.sentences import sentence
from desk.text import one_line
from tickets.demo import busy_texts as texts
from tickets.demo.busy_desk import Desk
from tickets.demo.many import Ids
from tickets.models import (
    Contact,
    ContactNote,
    Conversation,
    CustomField,
    Draft,
    FieldValue,
    Label,
    Mention,
    Message,
    ScheduledReply,
    Ticket,
)
from tickets.rules import mentions
from tickets.rules.conversation_state import state_of
from tickets.rules.custom_fields import lookup_of
from tickets.services.conversation import derived
from tickets.services.conversation.previews import PREVIEW_CHARS, SUBJECT_CHARS

DAYS = 90
MINUTE, HOUR, DAY = timedelta(minutes=1), timedelta(hours=1), timedelta(days=1)
# Of a thousand conversations; the others are older and closed, but for a few.
CLOSING_SOON, SNOOZED, TODAY, THIS_WEEK = 3, 15, 70, 150
PRIORITIES = (Ticket.Priority.LOW, Ticket.Priority.NORMAL, Ticket.Priority.HIGH, Ticket.Priority.URGENT)


R = TypeVar("R", bound=Model)


@dataclass
class Plan:
    """What becomes of one conversation, and when its newest message was written."""

    newest: datetime
    is_open: bool
    waits: bool
    snoozed: bool = False


@dataclass
class Rows:
    """The rows of a batch, parents first."""

    contacts: list[Contact] = field(default_factory=list)
    conversations: list[Conversation] = field(default_factory=list)
    tickets: list[Ticket] = field(default_factory=list)
    labels: list[tuple[int, Label]] = field(default_factory=list)  # by the ticket's id
    values: list[FieldValue] = field(default_factory=list)
    contact_notes: list[ContactNote] = field(default_factory=list)
    messages: list[Message] = field(default_factory=list)
    mentions: list[Mention] = field(default_factory=list)
    drafts: list[Draft] = field(default_factory=list)
    scheduled: list[ScheduledReply] = field(default_factory=list)


class Maker:
    """Makes the rows of one conversation after another. The same seed and moment make the same rows."""

    def __init__(self, desk: Desk, ids: Ids, now: datetime, seed: int) -> None:
        self._desk, self._now, self._random = desk, now, Random(seed)  # noqa: S311 - invented texts
        self._names = {user.pk: str(user) for team in desk.agents.values() for user in team}
        self._facts = Random(seed + 1)  # noqa: S311 - of its own: what else is made does not depend on them
        self._defaults: dict[type[Model], dict[str, Any]] = {}
        self._contact, self._conversation, self._ticket, self._message = (
            ids.contact,
            ids.conversation,
            ids.ticket,
            ids.message,
        )

    def make(self, rows: Rows) -> None:
        """Add a conversation of a new customer to `rows`."""
        random, plan = self._random, self._plan()
        channel = random.choice(self._desk.channels)
        team = self._desk.agents.get(channel.pk) or []
        assignee = self._assignee(team, plan)
        language = random.choices(texts.LANGUAGES, texts.SHARES)[0]
        self._contact += 1
        self._conversation += 1
        contact = self._row(
            Contact,
            id=self._contact,
            page_id=channel.page_id,
            psid=f"8{10**14 + self._contact}",
            name=texts.name(random, language),
            profile_state=Contact.ProfileState.FETCHED,
            email=f"customer{self._contact}@mail.example" if random.random() < 0.15 else "",
            phone=f"+49 30 55{random.randint(10_000, 99_999)}" if random.random() < 0.1 else "",
        )
        conversation = self._row(
            Conversation,
            id=self._conversation,
            contact_id=contact.pk,
            channel_id=channel.pk,
            department_id=channel.department_id,
            assignee_id=assignee and assignee.pk,
            is_open=plan.is_open,
        )
        made: list[Message] = []
        tickets: list[Ticket] = []
        if random.random() < 0.12:  # they wrote before, and that was closed
            earlier = Plan(plan.newest - timedelta(days=random.uniform(3, 40)), is_open=False, waits=False)
            writer = random.choice(team) if team else None
            script = texts.script(random, language, answered=True, thanked=True)
            made += self._write(channel, self._add_ticket(tickets, conversation, writer), script, earlier, writer)
        writer = assignee or (random.choice(team) if team else None)
        thanked = not plan.waits and not plan.is_open and random.random() < 0.7
        script = texts.script(random, language, answered=not plan.waits, thanked=thanked)
        ticket = self._add_ticket(tickets, conversation, assignee)
        made += self._write(channel, ticket, script, plan, writer)
        self._add_labels(rows, ticket, script.topic)
        self._add_facts(rows, contact, ticket, team, plan)
        if team and random.random() < 0.15:
            made.append(self._note(rows, channel, ticket, script, team, made[-1].sent_at))
        self._finish(conversation, contact, tickets, made, plan)
        self._add_later(rows, conversation, plan, assignee)
        rows.contacts.append(contact)
        rows.conversations.append(conversation)
        rows.tickets += tickets
        rows.messages += made

    def _row(self, model: type[R], **values: Any) -> R:
        """Return `model(**values)`, made in a fifth of its time; references by their ids."""
        if model not in self._defaults:
            self._defaults[model] = {field.attname: field.get_default() for field in model._meta.concrete_fields}
        row = model.__new__(model)
        row._state = ModelState()
        row.__dict__ |= self._defaults[model] | values
        return row

    # --- What becomes of it -------------------------------------------------------------------------------------------
    def _plan(self) -> Plan:
        random, now = self._random, self._now
        place = random.random() * 1000
        if place < CLOSING_SOON:  # seven days less these minutes ago
            return Plan(now - 7 * DAY + random.uniform(6, 115) * MINUTE, is_open=True, waits=True)
        place -= CLOSING_SOON
        if place < SNOOZED:
            return Plan(now - random.uniform(2, 90) * HOUR, is_open=True, waits=False, snoozed=True)
        place -= SNOOZED
        if place < TODAY:
            newest = now - min(random.expovariate(1 / 240), 23 * 60) * MINUTE - 20 * timedelta(seconds=1)
            fate = random.random()
            return Plan(newest, is_open=fate < 0.72, waits=fate < 0.42)
        place -= TODAY
        if place < THIS_WEEK:
            fate = random.random()
            newest = now - timedelta(days=random.uniform(1, 6.8))
            return Plan(newest, is_open=fate < 0.25, waits=fate < 0.06)
        newest = now - timedelta(days=random.triangular(7.1, DAYS, 14))
        return Plan(newest, is_open=random.random() < 0.015, waits=False)

    def _assignee(self, team: list[User], plan: Plan) -> User | None:
        if not team or self._random.random() < (0.5 if plan.waits else 0.12):
            return None
        return self._random.choice(team)

    def _add_ticket(self, tickets: list[Ticket], conversation: Conversation, assignee: User | None) -> Ticket:
        self._ticket += 1
        ticket = self._row(
            Ticket,
            id=self._ticket,
            conversation_id=conversation.pk,
            department_id=conversation.department_id,
            assignee_id=assignee and assignee.pk,
            priority=self._random.choices(PRIORITIES, (8, 74, 13, 5))[0],
        )
        tickets.append(ticket)
        return ticket

    def _add_labels(self, rows: Rows, ticket: Ticket, topic: texts.Topic) -> None:
        random = self._random
        if random.random() < 0.6:
            rows.labels.append((ticket.pk, self._desk.labels[topic.label]))
        for name in ("VIP", "Waiting for supplier"):
            if random.random() < 0.04:
                rows.labels.append((ticket.pk, self._desk.labels[name]))
        if random.random() < 0.12:
            ticket.subject, ticket.subject_is_own = f"{topic.subject} ({random.randint(20_100, 98_900)})", True

    def _add_facts(self, rows: Rows, contact: Contact, ticket: Ticket, team: list[User], plan: Plan) -> None:
        """Add what agents have written into the custom fields and about the customer."""
        random, fields = self._facts, self._desk.fields
        found: list[tuple[str, str]] = []
        if random.random() < 0.2:
            found.append(("customer_number", f"K-{random.randint(10_000, 99_999)}"))
        if random.random() < 0.25:
            found.append(("order_number", str(random.randint(20_100, 98_900))))
        if random.random() < 0.2:
            found.append(("reason", random.choice(fields["reason"].choices)["id"]))
        if random.random() < 0.05:
            found.append(("call_back_on", f"{plan.newest + random.randint(2, 20) * DAY:%Y-%m-%d}"))
        for key, text in found:
            owner = {"contact_id": contact.pk} if fields[key].of == CustomField.Of.CONTACT else {"ticket_id": ticket.pk}
            rows.values.append(FieldValue(field=fields[key], text=text, lookup=lookup_of(text), **owner))
        if team and random.random() < 0.04:
            text, at = random.choice(texts.CONTACT_NOTES), plan.newest
            rows.contact_notes.append(
                ContactNote(contact_id=contact.pk, author=random.choice(team), text=text, created_at=at)
            )

    # --- Its messages -------------------------------------------------------------------------------------------------
    def _write(
        self, channel: Channel, ticket: Ticket, script: texts.Script, plan: Plan, writer: User | None
    ) -> list[Message]:
        """Return the messages of a ticket, and give it its times and its status."""
        random = self._random
        at, times = plan.newest, []
        for is_theirs, _text in reversed(script.lines):
            times.append(at)
            at -= timedelta(seconds=random.randint(25, 300 if is_theirs else 1500))
        times.reverse()
        made = [
            self._message_at(channel, ticket, text, sent_at, None if is_theirs else writer, is_theirs=is_theirs)
            for (is_theirs, text), sent_at in zip(script.lines, times, strict=True)
        ]
        ticket.opened_at, ticket.last_message_at = times[0], times[-1]
        if not ticket.subject_is_own:
            ticket.subject = one_line(script.lines[0][1], SUBJECT_CHARS)
        if not plan.is_open:
            ticket.status = Ticket.Status.CLOSED
            ticket.closed_at = min(times[-1] + random.randint(1, 40) * MINUTE, self._now)
            if writer and ticket.closed_at > times[-1]:
                made.append(self._closed(channel, ticket, writer))
        return made

    def _message_at(
        self,
        channel: Channel,
        ticket: Ticket,
        text: str,
        at: datetime,
        writer: User | None,
        *,
        is_theirs: bool,
        **fields: Any,
    ) -> Message:
        self._message += 1
        values = {
            "id": self._message,
            "conversation_id": ticket.conversation_id,
            "ticket_id": ticket.pk,
            "page_id": channel.page_id,
            "text": text,
            "sent_at": at,
            "received_at": at,
            "direction": Message.Direction.IN if is_theirs else Message.Direction.OUT,
            "source": Message.Source.CUSTOMER if is_theirs else Message.Source.AGENT,
            "state": Message.State.RECEIVED if is_theirs else Message.State.SENT,
            "author_id": writer and writer.pk,
        }
        message = self._row(Message, **(values | fields))
        if message.kind != Message.Kind.MESSAGE:
            return message
        message.mid = f"m_busy_{self._message}"
        if not is_theirs:
            if writer is None:
                message.source = Message.Source.PAGE_INBOX
            is_read = self._random.random() < 0.8
            message.state = Message.State.READ if is_read else Message.State.DELIVERED
            message.delivered_at = at
            message.read_at = at + MINUTE if is_read else None
            if self._random.random() < 0.03:
                message.reactions = [{"by": "customer", "emoji": "❤", "at": at.isoformat()}]
        return message

    def _closed(self, channel: Channel, ticket: Ticket, user: User) -> Message:
        title = sentence("%(user)s closed ticket #%(number)s", user=self._names[user.pk], number=ticket.pk)
        return self._message_at(
            channel, ticket, "", ticket.closed_at or self._now, user, is_theirs=False,
            kind=Message.Kind.EVENT, source=Message.Source.SYSTEM,
            card={"kind": "closed", "title": title, "text": "", "url": ""},
        )  # fmt: skip

    def _note(
        self, rows: Rows, channel: Channel, ticket: Ticket, script: texts.Script, team: list[User], after: datetime,
    ) -> Message:  # fmt: skip
        random = self._random
        at = min(after + timedelta(seconds=random.randint(30, 600)), self._now)
        writer, reader = random.choice(team), random.choice(team)
        text = random.choice((script.topic.note, *texts.PLAIN_NOTES))
        tells = reader != writer and random.random() < 0.35
        if tells:
            text = random.choice(texts.NOTES_TO).format(name=self._names[reader.pk])
        note = self._message_at(channel, ticket, text, at, writer, is_theirs=False, kind=Message.Kind.NOTE)
        if tells:
            target = mentions.Target(mentions.AGENT, reader.pk)
            note.mentions = mentions.to_stored(mentions.find(text, [(target, self._names[reader.pk])]))
            is_seen = self._now - at > DAY or random.random() < 0.3
            rows.mentions.append(
                Mention(
                    message_id=note.pk,
                    conversation_id=note.conversation_id,
                    reader=reader,
                    created_at=at,
                    seen_at=min(at + HOUR, self._now) if is_seen else None,
                )
            )
        return note

    # --- What follows from them ---------------------------------------------------------------------------------------
    def _finish(
        self, conversation: Conversation, contact: Contact, tickets: list[Ticket], made: list[Message], plan: Plan
    ) -> None:
        by_id = {message.pk: message for message in made}
        opened, closed = {t.pk: t.opened_at for t in tickets}, {t.pk: t.closed_at for t in tickets}
        lines = []
        for one in made:
            card_kind = (one.card or {}).get("kind")
            values = (one.sent_at, one.pk, one.kind, one.direction, one.state, card_kind, None, one.ticket_id)
            times = opened.get(one.ticket_id or 0), closed.get(one.ticket_id or 0)
            lines.append(derived.line_of((*values, *times, None, None)))
        state = state_of(lines)
        newest = by_id[state.row.newest.key] if state.row.newest else made[-1]
        conversation.current_ticket_id = tickets[-1].pk
        conversation.message_count = state.message_count
        conversation.last_message_at, conversation.waiting_since = state.row.at, state.row.waiting_since
        conversation.last_customer_message_at = state.last_customer_message_at
        conversation.preview = one_line(newest.text, PREVIEW_CHARS)
        conversation.preview_is_ours = newest.direction == Message.Direction.OUT
        conversation.created_at = contact.first_seen_at = min(one.sent_at for one in made)
        if state.row.waiting_since and self._random.random() < 0.75:
            since = state.row.waiting_since
            conversation.unread_count = sum(
                one.direction == Message.Direction.IN and one.sent_at >= since for one in made
            )
        replies = [one.sent_at for one in made if one.delivered_at]
        if replies:
            conversation.delivered_watermark = max(replies)
            read = [one.sent_at for one in made if one.read_at]
            conversation.read_watermark = max(read) if read else None
        if plan.snoozed:
            conversation.is_snoozed = True
            if self._random.random() < 0.8:
                conversation.snoozed_until = self._now + timedelta(hours=self._random.uniform(2, 120))

    def _add_later(self, rows: Rows, conversation: Conversation, plan: Plan, assignee: User | None) -> None:
        """Add a reply that is sent later, or one that somebody has begun to write."""
        random = self._random
        if assignee is None or not plan.is_open or self._now - plan.newest > 2 * DAY:
            return
        if not plan.waits and random.random() < 0.25:
            send_at = (self._now + timedelta(hours=random.uniform(3, 40))).replace(second=0, microsecond=0)
            conversation.has_scheduled = True
            rows.scheduled.append(
                ScheduledReply(
                    conversation_id=conversation.pk, author=assignee, text=random.choice(texts.SCHEDULED),
                    send_at=send_at, due_at=send_at, cancel_if_customer_writes=random.random() < 0.5,
                    written_at=min(plan.newest + 5 * MINUTE, self._now), client_key=f"busy{conversation.pk}",
                )
            )  # fmt: skip
        elif plan.waits and random.random() < 0.04:
            text = "I have just asked my colleague in the workshop, and"
            rows.drafts.append(Draft(conversation_id=conversation.pk, user=assignee, text=text))

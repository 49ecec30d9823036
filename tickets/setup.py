"""What tickets add to Setup: a line of the menu, replies that could not be sent, what goes on in a channel and why a
department or an agent is still needed."""

from collections.abc import Iterable
from datetime import timedelta
from typing import Any

from django.db.models import Q
from django.urls import reverse
from django.utils import timezone

from channels_im.models import Channel
from channels_im.services import channels, preferences
from desk import deletion_checks, site
from desk.models import Agent, Department
from tickets.models import Conversation, Message, Ticket

PREVIEW_DAYS = 30
RECENT = timedelta(days=7)


def register() -> None:
    """Called from `AppConfig.ready()`."""
    permissions = ("tickets.view_cannedreply", "tickets.change_cannedreply")
    url_name = "admin:tickets_cannedreply_changelist"
    site.register_menu(site.MenuItem("Canned replies", url_name, permissions, section="Content", order=60))
    for label, url_name, permission, order in (
        ("Customers", "admin:tickets_contact_changelist", "tickets.view_contact", 70),
        ("Erasure log", "admin:tickets_erasure_changelist", "tickets.view_erasure", 71),
        ("Data requests from Facebook", "admin:channels_im_datarequest_changelist", "channels_im.view_datarequest", 72),
    ):
        site.register_menu(site.MenuItem(label, url_name, (permission,), section="Privacy", order=order))
    site.register_attention(attention)
    channels.register_work_reporter(work_of)
    preferences.register_previewer(preview)
    deletion_checks.register(Department, used_department)
    deletion_checks.register(Agent, busy_agent)


def attention(user: Any) -> list[site.Attention]:
    """Return replies of the last week that could not be sent, and those whose outcome is unknown."""
    if not (user.is_superuser or user.has_perm("tickets.view_conversation")):
        return []
    recent = Message.objects.filter(direction=Message.Direction.OUT, received_at__gte=timezone.now() - RECENT)
    items = []
    for state, words, level in (
        (Message.State.FAILED, "could not be sent in the last 7 days", "danger"),
        (Message.State.UNSURE, "may or may not have been sent", "warning"),
    ):
        if count := recent.filter(state=state).count():
            replies = "reply" if count == 1 else "replies"
            items.append(site.Attention(f"{count} {replies} {words}.", reverse("inbox"), "Open the inbox", level))
    return items


def work_of(channel: Channel) -> list[str]:
    """Return how many conversations have an open ticket and how many replies wait to be sent."""
    still_open = Conversation.objects.filter(channel=channel, current_ticket__status=Ticket.Status.OPEN).count()
    queued = (Message.State.QUEUED, Message.State.SENDING)
    waiting = Message.objects.filter(conversation__channel=channel, state__in=queued).count()
    sentences = [f"{still_open} {'conversation has' if still_open == 1 else 'conversations have'} an open ticket."]
    if waiting:
        sentences.append(f"{waiting} {'reply waits' if waiting == 1 else 'replies wait'} to be sent.")
    return sentences


def used_department(department: Department) -> str:
    if (
        Conversation.objects.filter(department=department).exists()
        or Ticket.objects.filter(department=department).exists()
    ):
        return f"{department} has conversations and tickets. They need their department; rename it instead."
    return ""


def busy_agent(agent: Agent) -> str:
    """Guard: an agent with open work stays until somebody else has it."""
    busy = Conversation.objects.filter(Q(current_ticket__status=Ticket.Status.OPEN), assignee=agent.user).count()
    if not busy:
        return ""
    words = "conversation with an open ticket" if busy == 1 else "conversations with open tickets"
    return f"{agent} still has {busy} {words}. Assign them to somebody else first."


def preview(department: Department, minutes: Iterable[int]) -> list[preferences.Preview]:
    """Return how many tickets each intermission would have made of the department's last 30 days.

    A customer's message opens a ticket when the gap to the message before it, in either direction, is longer.
    """
    minutes = sorted(minutes)
    counted = Q(kind=Message.Kind.MESSAGE, conversation__department=department)
    rows = Message.objects.filter(counted, sent_at__gte=timezone.now() - timedelta(days=PREVIEW_DAYS))
    tickets = dict.fromkeys(minutes, 0)
    conversation, before = None, None
    values = rows.order_by("conversation_id", "sent_at", "id").values_list("conversation_id", "sent_at", "direction")
    for conversation_id, sent_at, direction in values.iterator():
        first = conversation_id != conversation
        if first or direction == Message.Direction.IN:
            gap = None if first else sent_at - before
            for limit in minutes:
                if gap is None or gap > timedelta(minutes=limit):
                    tickets[limit] += 1
        conversation, before = conversation_id, sent_at
    return [preferences.Preview(limit, count) for limit, count in tickets.items()]

"""What tickets add to Setup.

These are menu items, warnings about replies that could not be sent, the open work of a channel, reasons to keep a
department or an agent, and the preview of the threading intermission.
"""

from collections.abc import Iterable
from datetime import datetime, timedelta

from django.contrib.auth.models import AnonymousUser
from django.urls import reverse
from django.utils import timezone

from channels_im.models import Channel
from channels_im.services import channels, preferences, traffic
from channels_im.services.go_live import progress
from channels_im.setup import access as setup_access
from channels_im.setup import presenters
from desk import deletion_checks, retention, site
from desk.models import Agent, Department, User
from desk.sentences import counted, sentence
from tickets.models import Conversation, Message, ScheduledReply, Ticket
from tickets.services.conversation import access
from tickets.services.inbox import overview
from tickets.services.inbox import traffic as message_traffic
from tickets.services.outgoing import going_live

PREVIEW_DAYS = 30
PREVIEW_CONVERSATIONS = 1000
RECENT = timedelta(days=7)


def register() -> None:
    """Add all of it to Setup. Called from `AppConfig.ready()`."""
    permissions = ("tickets.view_cannedreply", "tickets.add_cannedreply", "tickets.change_cannedreply")
    canned = site.MenuItem(
        sentence("Canned replies"), "canned:list", permissions, section=sentence("Content"), order=60
    )
    site.register_menu(canned)
    of_macros = ("tickets.view_macro", "tickets.add_macro", "tickets.change_macro", "tickets.delete_macro")
    macros = site.MenuItem(sentence("Macros"), "macros:list", of_macros, section=sentence("Content"), order=60)
    site.register_menu(macros)
    of_labels = ("tickets.view_label", "tickets.add_label", "tickets.change_label", "tickets.delete_label")
    labels = site.MenuItem(sentence("Labels"), "labels:list", of_labels, section=sentence("Content"), order=61)
    site.register_menu(labels)
    of_assignment = (setup_access.VIEW_PREFERENCES, setup_access.CHANGE_PREFERENCES)
    assignment = site.MenuItem(
        sentence("Assignment"), "assignment", of_assignment, section=sentence("Channels"), order=21
    )
    site.register_menu(assignment)
    of_fields = tuple(f"tickets.{action}_customfield" for action in ("view", "add", "change", "delete"))
    fields = site.MenuItem(sentence("Fields"), "fields:list", of_fields, section=sentence("Content"), order=62)
    site.register_menu(fields)
    privacy = sentence("Privacy")
    for label, url_name, permission, order in (
        (sentence("Customers"), "admin:tickets_contact_changelist", "tickets.view_contact", 70),
        (sentence("Erasure log"), "admin:tickets_erasure_changelist", "tickets.view_erasure", 71),
        (
            sentence("Data requests from Facebook"),
            "admin:channels_im_datarequest_changelist",
            "channels_im.view_datarequest",
            72,
        ),
    ):
        site.register_menu(site.MenuItem(label, url_name, (permission,), section=privacy, order=order))
    seen_by = (retention.VIEW, retention.CHANGE)
    site.register_menu(site.MenuItem(sentence("Data retention"), "retention", seen_by, section=privacy, order=73))
    site.register_attention(attention)
    site.register_panel(channels_panel, order=10)
    setup_access.register_content_rule(access.sees_all)
    channels.register_work_reporter(work_of)
    preferences.register_previewer(preview)
    progress.register_test_reporter(going_live.report)
    traffic.register_counter(message_traffic.by_hour)
    deletion_checks.register(Department, reason_to_keep_department)
    deletion_checks.register(Agent, reason_to_keep_agent)


def attention(user: User | AnonymousUser) -> list[site.Attention]:
    """Return warnings about replies of the last week that could not be sent, or whose outcome is unknown."""
    if not (user.is_superuser or user.has_perm("tickets.view_conversation")):
        return []
    recent = Message.objects.filter(direction=Message.Direction.OUT, received_at__gte=timezone.now() - RECENT)
    counts = {state: recent.filter(state=state).count() for state in (Message.State.FAILED, Message.State.UNSURE)}
    items = []
    if count := counts[Message.State.FAILED]:
        words = counted(
            "%(count)s reply could not be sent in the last 7 days.",
            "%(count)s replies could not be sent in the last 7 days.",
            count,
        )
        items.append(site.Attention(words, reverse("inbox"), sentence("Open the inbox"), "danger"))
    if count := counts[Message.State.UNSURE]:
        words = counted(
            "%(count)s reply may or may not have been sent.", "%(count)s replies may or may not have been sent.", count
        )
        items.append(site.Attention(words, reverse("inbox"), sentence("Open the inbox"), "warning"))
    return items


def channels_panel(user: User) -> site.Panel | None:
    """Return what happens in each channel now, for those who see the channels in Setup."""
    if not setup_access.may(user, *setup_access.SEE_CHANNELS):
        return None
    rows = overview.of_channels(presenters.channels().order_by("name"))
    chips = {row.channel.pk: presenters.chip(row.channel) for row in rows}
    lines = [(row, chips[row.channel.pk]) for row in rows]
    return site.Panel("tickets/setup/_channels_now.html", {"lines": lines}) if lines else None


def work_of(channel: Channel) -> list[str]:
    """Return sentences about the channel's open work: conversations with an open ticket, replies to be sent."""
    still_open = Conversation.objects.filter(channel=channel, is_open=True).count()
    queued = (Message.State.QUEUED, Message.State.SENDING)
    waiting = Message.objects.filter(conversation__channel=channel, state__in=queued).count()
    sentences = [
        counted(
            "%(count)s conversation has an open ticket.", "%(count)s conversations have an open ticket.", still_open
        )
    ]
    if waiting:
        sentences.append(counted("%(count)s reply waits to be sent.", "%(count)s replies wait to be sent.", waiting))
    scheduled = ScheduledReply.objects.filter(conversation__channel=channel, due_at__isnull=False).count()
    if scheduled:
        sentences.append(
            counted(
                "%(count)s scheduled reply will not be sent.",
                "%(count)s scheduled replies will not be sent.",
                scheduled,
            )
        )
    return sentences


def reason_to_keep_department(department: Department) -> str:
    """Return why the department cannot be deleted: its conversations, tickets and fields. "" when it has none."""
    if (
        Conversation.objects.filter(department=department).exists()
        or Ticket.objects.filter(department=department).exists()
    ):
        return sentence(
            "%(department)s has conversations and tickets. They need their department; rename it instead.",
            department=department,
        )
    if department.custom_fields.exists():
        return sentence(
            "%(department)s has fields of its own. Open them in Setup → Fields, and make them for every department or "
            "delete them first.",
            department=department,
        )
    return ""


def reason_to_keep_agent(agent: Agent) -> str:
    """Return why the agent cannot be deleted: conversations with an open ticket. "" when there are none."""
    count = Conversation.objects.filter(is_open=True, assignee=agent.user).count()
    if not count:
        return ""
    return counted(
        "%(agent)s still has %(count)s conversation with an open ticket. Assign it to somebody else first.",
        "%(agent)s still has %(count)s conversations with open tickets. Assign them to somebody else first.",
        count,
        agent=agent,
    )


def preview(department: Department, minutes: Iterable[int]) -> list[preferences.Preview]:
    """Return how many tickets each intermission (in minutes) would have made of the department's last 30 days.

    A customer's message opens a ticket when the gap to the message before it, in either direction, is longer. The
    first message of a conversation within these days counts as a ticket too. At most PREVIEW_CONVERSATIONS are read.
    """
    limits, since = sorted(minutes), timezone.now() - timedelta(days=PREVIEW_DAYS)
    recent = Conversation.objects.filter(department=department, last_message_at__gte=since)
    newest = list(recent.order_by("-last_message_at").values_list("pk", flat=True)[: PREVIEW_CONVERSATIONS + 1])
    of_newest = PREVIEW_CONVERSATIONS if len(newest) > PREVIEW_CONVERSATIONS else None
    rows = Message.objects.filter(conversation__in=newest[:PREVIEW_CONVERSATIONS], sent_at__gte=since)
    rows = rows.filter(kind=Message.Kind.MESSAGE)
    tickets = dict.fromkeys(limits, 0)
    current: int | None = None
    previous: datetime | None = None  # of the current conversation
    values = rows.order_by("conversation_id", "sent_at", "id").values_list("conversation_id", "sent_at", "direction")
    for conversation_id, sent_at, direction in values.iterator():
        if conversation_id != current:
            current, previous = conversation_id, None
        if previous is None or direction == Message.Direction.IN:
            for limit in limits:
                if previous is None or sent_at - previous > timedelta(minutes=limit):
                    tickets[limit] += 1
        previous = sent_at
    return [preferences.Preview(limit, count, of_newest) for limit, count in tickets.items()]

"""The Messenger thread with one customer, which has no end, and the tickets that divide it."""

from django.conf import settings
from django.db import models
from django.db.models import Q
from django.utils import timezone
from django.utils.translation import pgettext_lazy

from channels_im.models import Channel
from desk.models import Department
from desk.sentences import sentence

from .contact import Contact
from .label import Label


class Conversation(models.Model):
    """All messages between one contact and one channel. Counters and times are stored here: lists count nothing."""

    #: In place of an app's id: another app holds the thread, and Meta does not say which.
    UNKNOWN_APP = "unknown"

    contact = models.ForeignKey(Contact, on_delete=models.CASCADE, related_name="conversations")
    channel = models.ForeignKey(Channel, on_delete=models.PROTECT, related_name="conversations")
    department = models.ForeignKey(Department, on_delete=models.PROTECT, related_name="conversations")
    assignee = models.ForeignKey(
        settings.AUTH_USER_MODEL, null=True, blank=True, on_delete=models.SET_NULL, related_name="conversations"
    )
    transferred_at = models.DateTimeField(null=True, blank=True, help_text="When it was transferred to its department")
    current_ticket = models.ForeignKey(
        "Ticket",  # English only: a model
        null=True,
        blank=True,
        on_delete=models.SET_NULL,
        related_name="+",
    )
    is_open = models.BooleanField(default=False, help_text="Whether its current ticket is open")
    is_snoozed = models.BooleanField(default=False, help_text="Out of the lists of open conversations until it wakes")
    snoozed_until = models.DateTimeField(
        null=True, blank=True, help_text="When it wakes; empty while it is snoozed: when the customer writes"
    )

    unread_count = models.PositiveIntegerField(default=0)
    message_count = models.PositiveIntegerField(default=0)
    last_message_at = models.DateTimeField(
        null=True, blank=True, help_text="Meta's time of the newest message, either way"
    )
    last_customer_message_at = models.DateTimeField(null=True, blank=True, help_text="Opens the messaging window")
    opened_by_ad_at = models.DateTimeField(
        null=True,
        blank=True,
        help_text="When they came by a click-to-Messenger ad, until Facebook says that its window is closed",
    )
    waiting_since = models.DateTimeField(
        null=True, blank=True, help_text="Time of the first customer message without a reply"
    )
    preview = models.CharField(max_length=200, blank=True)
    preview_is_ours = models.BooleanField(default=False)
    delivered_watermark = models.DateTimeField(
        null=True, blank=True, help_text="Messages sent at or before this (Meta's time) were delivered"
    )
    read_watermark = models.DateTimeField(
        null=True, blank=True, help_text="Messages sent at or before this (Meta's time) were read"
    )
    holds_reply = models.BooleanField(default=False, help_text="A reply is held until the customer writes")
    has_scheduled = models.BooleanField(
        default=False, help_text="A reply is scheduled, or was and still waits for an agent"
    )
    thread_owner_app_id = models.CharField(max_length=64, blank=True, help_text="Another app that holds the thread")
    created_at = models.DateTimeField(default=timezone.now, editable=False)

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["contact", "channel"], name="one_conversation_per_contact_and_channel")
        ]
        indexes = [
            models.Index(fields=["-last_message_at", "-id"], name="conversation_newest"),
            models.Index(fields=["channel", "-last_message_at"], name="conversation_of_channel"),
            models.Index(fields=["assignee", "-last_message_at"], name="conversation_of_assignee"),
            models.Index(fields=["assignee", "channel"], name="conversation_of_assignee_in"),
            models.Index(fields=["department", "-last_message_at"], name="conversation_of_dept"),
            models.Index(
                fields=["waiting_since", "id"], name="conversation_waiting", condition=Q(waiting_since__isnull=False)
            ),
            models.Index(
                fields=["-last_message_at", "-id"], name="conversation_unread", condition=Q(unread_count__gt=0)
            ),
            # One for each view of the inbox whose rows are few among all, in the order of the list.
            models.Index(
                fields=["assignee", "-last_message_at", "-id"],
                name="conversation_open",
                condition=Q(is_open=True, is_snoozed=False),
            ),
            models.Index(
                fields=["-last_message_at", "-id"],
                name="conversation_open_newest",
                condition=Q(is_open=True, is_snoozed=False),
            ),
            models.Index(fields=["-last_message_at", "-id"], name="conversation_snoozed", condition=Q(is_snoozed=True)),
            models.Index(
                fields=["waiting_since", "id"],
                name="conversation_to_assign",
                condition=Q(assignee__isnull=True, is_open=True, is_snoozed=False, waiting_since__isnull=False),
            ),
            models.Index(fields=["snoozed_until"], name="conversation_wakes", condition=Q(snoozed_until__isnull=False)),
            models.Index(
                fields=["-last_message_at", "-id"],
                name="conversation_closed",
                condition=Q(is_open=False, current_ticket__isnull=False),
            ),
            models.Index(
                fields=["-last_message_at", "-id"],
                name="conversation_waiting_newest",
                condition=Q(waiting_since__isnull=False),
            ),
            models.Index(
                fields=["department", "channel"],
                name="conversation_transferred",
                condition=Q(transferred_at__isnull=False),
            ),
            models.Index(fields=["last_customer_message_at"], name="conversation_window"),
            models.Index(
                fields=["opened_by_ad_at"], name="conversation_by_ad", condition=Q(opened_by_ad_at__isnull=False)
            ),
        ]

    def __str__(self) -> str:
        return sentence("conversation %(number)s", number=self.pk)


class Ticket(models.Model):
    """A part of a conversation, divided by the department's threading intermission. Its number is its id."""

    class Status(models.TextChoices):
        OPEN = "open", pgettext_lazy("a ticket is", "Open")
        CLOSED = "closed", pgettext_lazy("a ticket is", "Closed")

    class Priority(models.TextChoices):
        LOW = "low", pgettext_lazy("priority", "Low")
        NORMAL = "normal", pgettext_lazy("priority", "Normal")
        HIGH = "high", pgettext_lazy("priority", "High")
        URGENT = "urgent", pgettext_lazy("priority", "Urgent")

    conversation = models.ForeignKey(Conversation, on_delete=models.CASCADE, related_name="tickets")
    subject = models.CharField(max_length=200, blank=True)
    subject_is_own = models.BooleanField(default=False, help_text="An agent wrote it; else it is the first message")
    priority = models.CharField(max_length=6, choices=Priority, default=Priority.NORMAL)
    labels = models.ManyToManyField(Label, blank=True, related_name="tickets")
    status = models.CharField(max_length=6, choices=Status, default=Status.OPEN)
    department = models.ForeignKey(Department, on_delete=models.PROTECT, related_name="tickets")
    assignee = models.ForeignKey(
        settings.AUTH_USER_MODEL, null=True, blank=True, on_delete=models.SET_NULL, related_name="tickets"
    )
    opened_at = models.DateTimeField(help_text="Meta's time of the message that opened it")
    last_message_at = models.DateTimeField(help_text="Meta's time of its newest message")
    closed_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        constraints = [
            models.CheckConstraint(
                name="closed_ticket_has_a_time",
                condition=Q(status="open", closed_at=None) | Q(status="closed", closed_at__isnull=False),
            )
        ]
        indexes = [
            models.Index(fields=["conversation", "opened_at"], name="ticket_of_conversation"),
            models.Index(fields=["status", "-id"], name="ticket_by_status"),
            models.Index(fields=["priority"], name="ticket_priority", condition=~Q(priority="normal")),
            # One for each order of the list of tickets.
            models.Index(fields=["-opened_at", "-id"], name="ticket_newest"),
            models.Index(fields=["-last_message_at", "-id"], name="ticket_last"),
            models.Index(fields=["-closed_at", "-id"], name="ticket_closed", condition=Q(closed_at__isnull=False)),
        ]

    def __str__(self) -> str:
        return f"#{self.pk}"

    @property
    def number(self) -> int:
        return self.pk


class Draft(models.Model):
    """The text that an agent has typed in a conversation and not sent."""

    conversation = models.ForeignKey(Conversation, on_delete=models.CASCADE, related_name="drafts")
    user = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="drafts")
    text = models.TextField(blank=True)
    updated_at = models.DateTimeField(auto_now=True)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["conversation", "user"], name="one_draft_per_agent")]

    def __str__(self) -> str:
        return f"draft of {self.user} in {self.conversation}"

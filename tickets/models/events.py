"""Webhooks to other systems: the address that receives events, and the events sent to it."""

import uuid

from django.conf import settings
from django.db import models
from django.utils import timezone
from django.utils.translation import gettext_lazy

from desk.encryption import EncryptedTokenField


class EventType(models.TextChoices):
    """The events that a webhook can receive, by their names in the API (docs/api.md)."""

    MESSAGE_CREATED = "message.created", gettext_lazy("A message or note was written or received")
    MESSAGE_UPDATED = "message.updated", gettext_lazy("A message changed: state, text, reactions, files, unsent")
    MESSAGE_DELETED = "message.deleted", gettext_lazy("A reply was discarded before it was sent")
    TICKET_OPENED = "ticket.opened", gettext_lazy("A ticket was opened")
    TICKET_CLOSED = "ticket.closed", gettext_lazy("A ticket was closed")
    TICKET_REOPENED = "ticket.reopened", gettext_lazy("A ticket was reopened")
    TICKET_SPLIT = "ticket.split", gettext_lazy("A ticket was split, or a merge was undone")
    TICKET_MERGED = "ticket.merged", gettext_lazy("Two tickets were merged, or a split was undone")
    TICKET_UPDATED = "ticket.updated", gettext_lazy("The labels, priority, subject or fields of a ticket changed")
    CONVERSATION_ASSIGNED = (
        "conversation.assigned",
        gettext_lazy("A conversation was assigned to somebody, or to nobody"),
    )
    CONVERSATION_TRANSFERRED = (
        "conversation.transferred",
        gettext_lazy("A conversation was transferred to a department"),
    )
    CONVERSATION_SNOOZED = "conversation.snoozed", gettext_lazy("A conversation was snoozed")
    CONVERSATION_WOKEN = (
        "conversation.woken",
        gettext_lazy("A snooze ended: at its time, by a message of the customer or by an agent"),
    )
    SCHEDULED_REPLY_CREATED = "scheduled_reply.created", gettext_lazy("A reply was scheduled")
    SCHEDULED_REPLY_UPDATED = (
        "scheduled_reply.updated",
        gettext_lazy("A scheduled reply changed: text, time, taken back, sent, or it could not be sent"),
    )
    SCHEDULED_REPLY_DELETED = "scheduled_reply.deleted", gettext_lazy("A scheduled reply was cancelled by an agent")
    CONTACT_BLOCKED = "contact.blocked", gettext_lazy("A customer was blocked")
    CONTACT_UNBLOCKED = "contact.unblocked", gettext_lazy("A customer was unblocked")
    CONTACT_UPDATED = "contact.updated", gettext_lazy("The details of a customer or the notes about them changed")
    CONTACT_MERGED = "contact.merged", gettext_lazy("Customers were marked as the same person")
    CONTACT_SEPARATED = "contact.separated", gettext_lazy("A customer was separated from the same person again")


#: Sent manually from Setup; no webhook subscribes to it.
TEST_EVENT = "test"


class EventSubscription(models.Model):
    """A webhook to another system: its address, its events, and whether the last calls succeeded."""

    name = models.CharField(max_length=100)
    url = models.CharField("address", max_length=2000)
    secret = EncryptedTokenField(null=True, blank=True, help_text="Signs what is sent")
    previous_secret = EncryptedTokenField(null=True, blank=True, help_text="Also signs for a day after a rotation")
    rotated_at = models.DateTimeField(null=True, blank=True)
    events = models.JSONField(default=list, help_text="names of EventType")
    is_active = models.BooleanField(default=True)
    disabled_reason = models.TextField(blank=True, help_text="Why Desk disabled it")
    mail_after = models.DateTimeField(
        null=True, blank=True, help_text="When the e-mail about disabling it is due; empty: none is"
    )
    created_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, null=True, blank=True, on_delete=models.SET_NULL, related_name="+"
    )
    created_at = models.DateTimeField(default=timezone.now)
    last_success_at = models.DateTimeField(null=True, blank=True)
    failing_since = models.DateTimeField(null=True, blank=True)
    failures = models.PositiveIntegerField(default=0, help_text="calls in a row that failed")
    retry_after = models.DateTimeField(null=True, blank=True, help_text="No call before this")

    class Meta:
        ordering = ["name", "id"]

    def __str__(self) -> str:
        return self.name


class EventDelivery(models.Model):
    """One event for one webhook, written in the transaction of the change that it announces.

    It holds ids instead of foreign keys, because the event may outlive the rows it is about.
    """

    class State(models.TextChoices):
        PENDING = "pending", gettext_lazy("Waiting")
        SENDING = "sending", gettext_lazy("Being sent")
        DELIVERED = "delivered", gettext_lazy("Delivered")
        FAILED = "failed", gettext_lazy("Given up")
        DROPPED = "dropped", gettext_lazy("Dropped")

    subscription = models.ForeignKey(EventSubscription, on_delete=models.CASCADE, related_name="deliveries")
    event_id = models.UUIDField(default=uuid.uuid4)
    type = models.CharField(max_length=30)
    conversation_id = models.BigIntegerField(null=True, blank=True)
    message_id = models.BigIntegerField(null=True, blank=True)
    ticket_id = models.BigIntegerField(null=True, blank=True)
    facts = models.JSONField(default=dict, blank=True, help_text="What no other row records: who did it, what changed")
    body = models.TextField(blank=True, help_text="The body of the first call; later calls send the same")
    created_at = models.DateTimeField(default=timezone.now)
    state = models.CharField(max_length=9, choices=State, default=State.PENDING)
    attempts = models.PositiveSmallIntegerField(default=0)
    retry_after = models.DateTimeField(null=True, blank=True)
    claimed_at = models.DateTimeField(null=True, blank=True)
    claimed_by = models.CharField(max_length=64, blank=True)
    status = models.PositiveSmallIntegerField(null=True, blank=True, help_text="HTTP status of the last answer")
    reason = models.TextField(blank=True, help_text="Why the last call failed, in words")
    settled_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        verbose_name_plural = "event deliveries"  # English only: not shown
        ordering = ["-id"]
        constraints = [models.UniqueConstraint(fields=["subscription", "event_id"], name="event_once_per_subscription")]
        indexes = [
            models.Index(fields=["subscription", "state", "id"], name="event_delivery_of_state"),
            models.Index(fields=["subscription", "conversation_id", "state", "id"], name="event_delivery_order"),
            models.Index(fields=["state", "claimed_at"], name="event_delivery_claims"),
            models.Index(fields=["settled_at"], name="event_delivery_settled"),
        ]

    def __str__(self) -> str:
        return f"{self.type} {self.event_id}"

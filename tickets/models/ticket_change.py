"""Splits and merges of tickets, and tickets that agents have linked."""

from django.conf import settings
from django.db import models
from django.db.models import F, Q
from django.utils import timezone

from .conversation import Conversation, Ticket
from .message import Message


class TicketChange(models.Model):
    """A ticket that was split in two, or two that were merged, with what is needed to undo it.

    It holds the numbers of the tickets instead of foreign keys: merging deletes a ticket, and its number must still
    lead to the one that has its messages.
    """

    class Kind(models.TextChoices):
        SPLIT = "split", "Split"  # English only: not shown
        MERGE = "merge", "Merge"  # English only: not shown

    conversation = models.ForeignKey(Conversation, on_delete=models.CASCADE, related_name="ticket_changes")
    kind = models.CharField(max_length=5, choices=Kind)
    earlier = models.BigIntegerField(help_text="Number of the ticket with the earlier messages, which stays")
    later = models.BigIntegerField(help_text="Number of the ticket that the split made, or the merge deleted")
    before = models.JSONField(default=dict, help_text="The tickets as they were; empty after erasing the customer")
    event = models.OneToOneField(
        Message, null=True, blank=True, on_delete=models.SET_NULL, related_name="ticket_change"
    )
    by = models.ForeignKey(settings.AUTH_USER_MODEL, null=True, blank=True, on_delete=models.SET_NULL, related_name="+")
    at = models.DateTimeField(default=timezone.now)
    undone_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, null=True, blank=True, on_delete=models.SET_NULL, related_name="+"
    )
    undone_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        indexes = [
            models.Index(fields=["earlier"], name="ticket_change_earlier"),
            models.Index(fields=["later"], name="ticket_change_later"),
        ]

    def __str__(self) -> str:
        return f"{self.kind} #{self.earlier} #{self.later}"


class TicketLink(models.Model):
    """Two tickets that an agent has linked as related. The link has no direction: `first` has the lower number."""

    first = models.ForeignKey(Ticket, on_delete=models.CASCADE, related_name="+")
    second = models.ForeignKey(Ticket, on_delete=models.CASCADE, related_name="+")
    by = models.ForeignKey(settings.AUTH_USER_MODEL, null=True, blank=True, on_delete=models.SET_NULL, related_name="+")
    at = models.DateTimeField(default=timezone.now)

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["first", "second"], name="tickets_linked_once"),
            models.CheckConstraint(name="linked_tickets_in_order", condition=Q(first__lt=F("second"))),
        ]

    def __str__(self) -> str:
        return f"#{self.first_id} #{self.second_id}"

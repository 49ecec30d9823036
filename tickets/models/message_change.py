"""Changes to messages, and receipts, that arrived before what they are about."""

from django.db import models
from django.utils import timezone

from channels_im.models import Page


class MessageChange(models.Model):
    """An edit, reaction, withdrawal or receipt that Meta delivered before its message; stored until that arrives.

    A receipt with a watermark for a customer without a conversation is stored under `subject_of` their id. The removal
    of a reaction is stored too, as applied, because the reaction itself may still arrive after it.
    """

    class Kind(models.TextChoices):
        EDIT = "edit", "Edit"  # English only: not shown
        REACTION = "reaction", "Reaction"  # English only: not shown
        WITHDRAWAL = "withdrawal", "Withdrawal"  # English only: not shown
        DELIVERY = "delivery", "Delivery"  # English only: not shown
        READ = "read", "Read"  # English only: not shown

    page = models.ForeignKey(Page, on_delete=models.CASCADE, related_name="message_changes")
    mid = models.CharField(max_length=255, help_text="Meta's message id, or psid:<id> for a watermark")
    key = models.CharField(max_length=255, help_text="The event's key: the same change twice is stored once")
    kind = models.CharField(max_length=10, choices=Kind)
    at = models.DateTimeField(help_text="Meta's time (ms)")
    content = models.JSONField(
        default=dict, help_text="edit: text, number; reaction: by, emoji (empty: removed); receipt: psid"
    )
    applied_at = models.DateTimeField(null=True, blank=True)
    created_at = models.DateTimeField(default=timezone.now, db_index=True)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["page", "key"], name="message_change_once")]
        indexes = [models.Index(fields=["page", "mid"], name="message_change_of")]

    def __str__(self) -> str:
        return f"{self.kind} of {self.mid}"

    @staticmethod
    def subject_of(psid: str) -> str:
        """Return what stands in the place of the mid of a watermark that came before the customer's conversation."""
        return f"psid:{psid}"

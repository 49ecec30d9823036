"""Changes to messages that have not been received yet."""

from django.db import models
from django.utils import timezone

from channels_im.models import Page


class MessageChange(models.Model):
    """An edit, a reaction or a withdrawal that Meta delivered before its message; stored until the message arrives.

    The removal of a reaction is stored too, as applied, because the reaction itself may still arrive after it.
    """

    class Kind(models.TextChoices):
        EDIT = "edit", "Edit"
        REACTION = "reaction", "Reaction"
        WITHDRAWAL = "withdrawal", "Withdrawal"

    page = models.ForeignKey(Page, on_delete=models.CASCADE, related_name="message_changes")
    mid = models.CharField(max_length=255)
    key = models.CharField(max_length=255, help_text="The event's key: the same change twice is stored once")
    kind = models.CharField(max_length=10, choices=Kind)
    at = models.DateTimeField(help_text="Meta's time (ms)")
    content = models.JSONField(default=dict, help_text="edit: text, number; reaction: by, emoji (empty: removed)")
    applied_at = models.DateTimeField(null=True, blank=True)
    created_at = models.DateTimeField(default=timezone.now, db_index=True)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["page", "key"], name="message_change_once")]
        indexes = [models.Index(fields=["page", "mid"], name="message_change_of")]

    def __str__(self) -> str:
        return f"{self.kind} of {self.mid}"

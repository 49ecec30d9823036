"""Who is mentioned in notes, and who may read a conversation because of that."""

from django.conf import settings
from django.db import models
from django.db.models import Q
from django.utils import timezone

from desk.models import Department

from .conversation import Conversation, Ticket
from .message import Message


class Mention(models.Model):
    """One person whom a note mentions, by name or with their department, and who is told so.

    `seen_at` is empty until they open the conversation. What the text shows is in `Message.mentions`.
    """

    message = models.ForeignKey(Message, on_delete=models.CASCADE, related_name="readers")
    conversation = models.ForeignKey(Conversation, on_delete=models.CASCADE, related_name="mentions")
    reader = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="mentions")
    department = models.ForeignKey(
        Department,
        null=True,
        blank=True,
        on_delete=models.SET_NULL,
        related_name="+",
        help_text="The department that was mentioned; empty: the reader was",
    )
    created_at = models.DateTimeField(default=timezone.now)
    seen_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["message", "reader"], name="mention_once_per_reader")]
        indexes = [
            models.Index(fields=["reader", "-id"], name="mention_newest"),
            models.Index(fields=["reader", "conversation"], name="mention_of_conversation"),
            models.Index(fields=["reader", "conversation"], name="mention_unseen", condition=Q(seen_at=None)),
        ]

    def __str__(self) -> str:
        return f"mention {self.pk}"


class AccessGrant(models.Model):
    """Lets somebody whom a note mentions read its conversation until the ticket closes.

    In force while `ticket` and the conversation are open (tickets.services.conversation.access). Closing deletes it, so
    that reopening gives no access again.
    """

    message = models.ForeignKey(Message, on_delete=models.CASCADE, related_name="access_grants")
    conversation = models.ForeignKey(Conversation, on_delete=models.CASCADE, related_name="access_grants")
    ticket = models.ForeignKey(Ticket, on_delete=models.CASCADE, related_name="+")
    user = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="access_grants")
    given_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, null=True, blank=True, on_delete=models.SET_NULL, related_name="+"
    )
    created_at = models.DateTimeField(default=timezone.now)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["message", "user"], name="access_grant_once_per_note")]

    def __str__(self) -> str:
        return f"access of {self.user} to {self.conversation}"

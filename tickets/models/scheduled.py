"""Replies that are written now and sent later."""

from django.conf import settings
from django.db import models
from django.db.models import Q
from django.utils import timezone
from django.utils.translation import gettext_lazy, pgettext_lazy

from .conversation import Conversation


class ScheduledReply(models.Model):
    """A reply with the time at which Desk puts it into the outbox. Until then it is no message of the conversation.

    One that could not be sent stays, with the reason, until somebody edits or deletes it. One that was sent stays for a
    while without its text and files, so that a repeated request is recognized.
    """

    class State(models.TextChoices):
        SCHEDULED = "scheduled", pgettext_lazy("a reply is", "Scheduled")
        EDITING = "editing", gettext_lazy("Taken back to edit")
        CANCELLED = "cancelled", gettext_lazy("Cancelled, because the customer wrote first")
        NOT_SENT = "not_sent", gettext_lazy("Not sent")
        SENT = "sent", pgettext_lazy("a message is", "Sent")

    conversation = models.ForeignKey(Conversation, on_delete=models.CASCADE, related_name="scheduled_replies")
    author = models.ForeignKey(
        settings.AUTH_USER_MODEL, null=True, blank=True, on_delete=models.SET_NULL, related_name="scheduled_replies"
    )
    text = models.TextField(blank=True)
    sent_as = models.JSONField(
        null=True, blank=True, help_text="null, or what is sent in place of text and files; see tickets.rules.sent_as"
    )
    card = models.JSONField(null=True, blank=True, help_text="null, or the card of such a message")
    reply_to_mid = models.CharField(max_length=255, blank=True)
    send_at = models.DateTimeField(help_text="The time that was chosen")
    due_at = models.DateTimeField(
        null=True, blank=True, help_text="When it is sent: send_at while it is scheduled, else empty"
    )
    cancel_if_customer_writes = models.BooleanField(default=False)
    state = models.CharField(max_length=9, choices=State, default=State.SCHEDULED)
    reason = models.TextField(blank=True, help_text="Why it was not sent; shown to agents")
    taken_by = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        null=True,
        blank=True,
        on_delete=models.SET_NULL,
        related_name="+",
        help_text="Who takes it back to edit it",
    )
    written_at = models.DateTimeField(
        default=timezone.now, help_text="It answers what the customer said until then: when it was last written"
    )
    settled_at = models.DateTimeField(
        null=True, blank=True, help_text="When it was sent, cancelled or found that it cannot be sent"
    )
    client_key = models.CharField(
        max_length=64, help_text="Of the request, else made by Desk: the reply is sent with it, so that it is sent once"
    )

    class Meta:
        verbose_name_plural = "scheduled replies"  # English only: not shown
        default_permissions = ()  # who sees the conversation may change it
        ordering = ["send_at", "pk"]
        constraints = [
            models.UniqueConstraint(fields=["conversation", "client_key"], name="scheduled_reply_key_once"),
            models.CheckConstraint(
                name="scheduled_reply_is_due",
                condition=Q(state="scheduled", due_at__isnull=False) | (~Q(state="scheduled") & Q(due_at=None)),
            ),
        ]
        indexes = [
            models.Index(fields=["due_at"], name="scheduled_reply_due", condition=Q(due_at__isnull=False)),
            models.Index(fields=["conversation", "state"], name="scheduled_reply_of"),
            models.Index(fields=["state", "settled_at"], name="scheduled_reply_settled"),
        ]

    def __str__(self) -> str:
        return f"scheduled reply {self.pk}"

    @property
    def is_special(self) -> bool:
        """Whether it is a sticker or a template, which nobody can edit as a text."""
        return self.sent_as is not None

    @property
    def is_scheduled(self) -> bool:
        """Whether Desk will send it by itself."""
        return self.state == self.State.SCHEDULED


class ScheduledReplyFile(models.Model):
    """A file of a scheduled reply. When the reply is sent, its message takes over the content."""

    reply = models.ForeignKey(ScheduledReply, on_delete=models.CASCADE, related_name="files")
    kind = models.CharField(max_length=8)
    name = models.CharField(max_length=255)
    file = models.FileField(upload_to="scheduled/%Y/%m/", blank=True, max_length=255)
    content_type = models.CharField(max_length=100, help_text="As the bytes show it")
    size = models.PositiveBigIntegerField(help_text="bytes")
    width = models.PositiveIntegerField(null=True, blank=True, help_text="pixels")
    height = models.PositiveIntegerField(null=True, blank=True, help_text="pixels")

    class Meta:
        default_permissions = ()  # those of the scheduled reply hold
        ordering = ["pk"]

    def __str__(self) -> str:
        return self.name

"""The message templates of Pages, as Meta showed them last."""

from django.db import models
from django.utils import timezone

from desk.sentences import sentence

from .accounts import Page


class MessageTemplate(models.Model):
    """A template of a Page for utility messages, which may be sent outside the messaging window."""

    class State(models.TextChoices):
        PENDING = "pending", sentence("Being checked by Facebook")
        APPROVED = "approved", sentence("Approved")
        REJECTED = "rejected", sentence("Rejected")
        PAUSED = "paused", sentence("Paused by Facebook")

    page = models.ForeignKey(Page, on_delete=models.CASCADE, related_name="message_templates")
    template_id = models.CharField(max_length=64, blank=True, help_text="Meta's id")
    name = models.CharField(max_length=200)
    language = models.CharField(max_length=16)
    category = models.CharField(max_length=40, blank=True)
    header = models.TextField(blank=True)
    body = models.TextField()
    buttons = models.JSONField(default=list, blank=True, help_text="Titles of the buttons")
    state = models.CharField(max_length=8, choices=State, default=State.PENDING)
    reason = models.TextField(blank=True, help_text="Why Facebook rejected it, in Facebook's words")
    state_at = models.DateTimeField(null=True, blank=True, help_text="Meta's time of the last event about its state")
    created_at = models.DateTimeField(default=timezone.now, editable=False)

    class Meta:
        ordering = ["name", "language"]
        constraints = [models.UniqueConstraint(fields=["page", "name", "language"], name="template_once_per_page")]

    def __str__(self) -> str:
        return f"{self.name} ({self.language})"

    @property
    def is_approved(self) -> bool:
        return self.state == self.State.APPROVED

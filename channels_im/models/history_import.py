"""History imports: what was written to a Page before its channel was created, read from Facebook on request."""

from django.db import models
from django.db.models import Q
from django.utils.translation import pgettext_lazy

from .accounts import Page
from .channels import Channel
from .conversation_reading import ConversationReading


class HistoryImport(ConversationReading):
    """One import of a channel's history, in pieces. A Page has at most one that is not over."""

    class State(models.TextChoices):
        WAITING = "waiting", pgettext_lazy("an import is", "Waiting")
        RUNNING = "running", pgettext_lazy("an import is", "Running")
        PAUSED = "paused", pgettext_lazy("an import is", "Paused")
        DONE = "done", pgettext_lazy("an import is", "Done")
        CANCELLED = "cancelled", pgettext_lazy("an import is", "Cancelled")
        FAILED = "failed", pgettext_lazy("an import is", "Failed")

    channel = models.ForeignKey(Channel, on_delete=models.CASCADE, related_name="history_imports")
    page = models.ForeignKey(Page, on_delete=models.CASCADE, related_name="history_imports")
    days = models.PositiveSmallIntegerField(help_text="How many days before the channel was created")
    state = models.CharField(max_length=9, choices=State, default=State.WAITING)
    since = models.DateTimeField(help_text="Messages from then on are imported")
    until = models.DateTimeField(help_text="When the channel was created: later messages came by webhook")

    is_counted = models.BooleanField(default=False, help_text="Whether the conversations of that time were counted")
    total_count = models.PositiveIntegerField(default=0, help_text="About how many conversations there are to read")
    is_total_lower_bound = models.BooleanField(default=False, help_text="There are more than were counted")
    passes = models.PositiveSmallIntegerField(default=0, help_text="How often the list was read to its end")
    pass_began_at = models.DateTimeField(null=True, blank=True)
    changed_since = models.DateTimeField(
        null=True, blank=True, help_text="A further pass reads the conversations that changed since then"
    )

    conversation_count = models.PositiveIntegerField(default=0, help_text="Conversations that were read")
    inserted_count = models.PositiveIntegerField(default=0, help_text="Messages that were imported")
    oldest_at = models.DateTimeField(null=True, blank=True, help_text="Time of the oldest imported message")

    class Meta:
        ordering = ["-id"]
        constraints = [
            models.UniqueConstraint(
                fields=["page"],
                condition=Q(state__in=("waiting", "running", "paused")),
                name="one_history_import_of_a_page_at_a_time",
            )
        ]
        indexes = [models.Index(fields=["channel", "-id"], name="history_import_of_channel")]

    def __str__(self) -> str:
        return f"history import {self.pk} of {self.page}"

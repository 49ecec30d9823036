"""Recovery of missed messages: runs through the Conversations API, and up to when a Page is complete."""

from django.db import models
from django.db.models import Q
from django.utils.translation import pgettext_lazy

from desk.sentences import sentence

from .accounts import Page
from .conversation_reading import ConversationReading


class PageRecovery(models.Model):
    """What recovery knows of a Page: up to when nothing is missing, and when Meta may be asked next."""

    page = models.OneToOneField(Page, on_delete=models.CASCADE, related_name="recovery")
    complete_until = models.DateTimeField(
        null=True, blank=True, help_text="Up to then Desk has all messages that Facebook gives; empty: not known"
    )
    next_call_at = models.DateTimeField(
        null=True, blank=True, help_text="When the Conversations API may be called next for this Page, by any process"
    )

    def __str__(self) -> str:
        return f"recovery of {self.page}"


class RecoveryRun(ConversationReading):
    """One reading of a Page's conversations, in pieces. A Page has at most one that is not over."""

    class Reason(models.TextChoices):
        """Why messages may be missing."""

        OUTAGE = "outage", sentence("Desk was down")
        SUBSCRIPTION = "subscription", sentence("Facebook had stopped sending messages")
        REAUTHENTICATION = "reauth", sentence("The Page was re-authenticated")
        ACTIVATION = "activation", sentence("The channel was activated")
        NIGHTLY = "nightly", sentence("Nightly check")
        REQUEST = "request", sentence("Requested by an administrator")

    class State(models.TextChoices):
        WAITING = "waiting", pgettext_lazy("a recovery is", "Waiting")
        RUNNING = "running", pgettext_lazy("a recovery is", "Running")
        DONE = "done", pgettext_lazy("a recovery is", "Done")
        FAILED = "failed", pgettext_lazy("a recovery is", "Failed")

    page = models.ForeignKey(Page, on_delete=models.CASCADE, related_name="recovery_runs")
    reason = models.CharField(max_length=12, choices=Reason)
    state = models.CharField(max_length=7, choices=State, default=State.WAITING)
    since = models.DateTimeField(help_text="Messages since then are looked for")
    until = models.DateTimeField(null=True, blank=True, help_text="When the reading began; later ones come by webhook")
    is_requested_again = models.BooleanField(default=False, help_text="Something was missed during the run: repeat it")

    read_count = models.PositiveIntegerField(default=0, help_text="Messages of that time that Facebook showed")
    inserted_count = models.PositiveIntegerField(default=0, help_text="Messages of which Desk had none")

    class Meta:
        ordering = ["-id"]
        constraints = [
            models.UniqueConstraint(
                fields=["page"], condition=Q(state__in=("waiting", "running")), name="one_recovery_of_a_page_at_a_time"
            )
        ]
        indexes = [models.Index(fields=["page", "-id"], name="recovery_of_page")]

    def __str__(self) -> str:
        return f"recovery {self.pk} of {self.page}"

"""What the two kinds of reading through the Conversations API have in common: recoveries and history imports."""

from django.db import models
from django.utils import timezone

from .accounts import Page


class ConversationReading(models.Model):
    """A reading of a Page's conversations in pieces: where it is, what it found, and who works on it."""

    page = models.ForeignKey(Page, on_delete=models.CASCADE, related_name="+")  # each kind gives it a name
    cursor = models.TextField(blank=True, help_text="Meta's cursor of the next conversations")
    handled = models.JSONField(
        default=list, blank=True, help_text="Digests of those conversations at the cursor that are dealt with"
    )
    page_size = models.PositiveSmallIntegerField(default=0, help_text="Conversations per call; 0: as usual")
    beyond_reach_count = models.PositiveIntegerField(default=0, help_text="Messages Facebook gives no details of")
    error = models.TextField(blank=True, help_text="Why it waits or has failed, as a sentence")

    attempts = models.PositiveSmallIntegerField(default=0, help_text="Counted before each piece, and back after it")
    retry_after = models.DateTimeField(null=True, blank=True)
    claimed_at = models.DateTimeField(null=True, blank=True)
    claimed_by = models.CharField(max_length=64, blank=True)
    created_at = models.DateTimeField(default=timezone.now)
    finished_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        abstract = True

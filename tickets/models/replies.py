"""Canned replies."""

from django.conf import settings
from django.db import models
from django.utils import timezone

from desk.models import Department


class CannedReply(models.Model):
    """A text that an agent inserts with `/shortcut`; the composer replaces {{name}} and other placeholders."""

    shortcut = models.SlugField(max_length=40, unique=True)
    title = models.CharField(max_length=100)
    text = models.TextField()
    department = models.ForeignKey(
        Department,
        null=True,
        blank=True,
        on_delete=models.CASCADE,
        related_name="canned_replies",
        help_text="Empty: for every department",
    )
    created_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, null=True, blank=True, on_delete=models.SET_NULL, related_name="+", editable=False
    )
    created_at = models.DateTimeField(default=timezone.now, editable=False)

    class Meta:
        verbose_name_plural = "canned replies"
        ordering = ["shortcut"]

    def __str__(self) -> str:
        return f"/{self.shortcut}"

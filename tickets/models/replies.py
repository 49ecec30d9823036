"""Canned replies, and the files that they bring into a reply."""

from django.conf import settings
from django.db import models
from django.utils import timezone

from desk.models import Department
from desk.sentences import sentence


class CannedReply(models.Model):
    """A text that an agent inserts with `/shortcut`; the composer replaces {{name}} and other placeholders.

    It is shared, or personal to its `owner`.
    """

    shortcut = models.SlugField(max_length=40)
    title = models.CharField(max_length=100)
    text = models.TextField()
    folder = models.CharField(max_length=60, blank=True)
    owner = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        null=True,
        blank=True,
        on_delete=models.CASCADE,
        related_name="canned_replies",
        help_text="Who alone sees and uses it; empty: everybody",
    )
    use_count = models.PositiveIntegerField(default=0, help_text="How many replies it was inserted into and sent with")
    last_used_at = models.DateTimeField(null=True, blank=True)
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
        verbose_name_plural = sentence("canned replies")
        ordering = ["shortcut", "pk"]
        constraints = [
            models.UniqueConstraint(
                fields=["shortcut"], condition=models.Q(owner=None), name="shared_canned_reply_shortcut"
            ),
            models.UniqueConstraint(fields=["owner", "shortcut"], name="personal_canned_reply_shortcut"),
        ]

    def __str__(self) -> str:
        return f"/{self.shortcut}"


class CannedReplyFile(models.Model):
    """A file of a canned reply. A reply that is sent with it gets a copy.

    Without `reply`, it was uploaded into a form that is not saved yet; only `added_by` sees it, and it is deleted after
    a day.
    """

    reply = models.ForeignKey(CannedReply, null=True, blank=True, on_delete=models.CASCADE, related_name="files")
    kind = models.CharField(max_length=8)
    name = models.CharField(max_length=255)
    file = models.FileField(upload_to="canned/%Y/%m/", max_length=255)
    content_type = models.CharField(max_length=100, help_text="As the bytes show it")
    size = models.PositiveBigIntegerField(help_text="bytes")
    width = models.PositiveIntegerField(null=True, blank=True, help_text="pixels")
    height = models.PositiveIntegerField(null=True, blank=True, help_text="pixels")
    added_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, null=True, blank=True, on_delete=models.SET_NULL, related_name="+", editable=False
    )
    added_at = models.DateTimeField(default=timezone.now, editable=False)

    class Meta:
        default_permissions = ()  # those of the canned reply hold
        ordering = ["pk"]
        indexes = [
            models.Index(fields=["added_at"], name="unsaved_canned_reply_file", condition=models.Q(reply=None)),
        ]

    def __str__(self) -> str:
        return self.name

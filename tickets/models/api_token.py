"""API tokens: the keys with which other systems use the API as a user."""

from django.db import models
from django.utils import timezone

from desk.models import User
from desk.sentences import sentence


class Scope(models.TextChoices):
    """What a token may be used for. Each endpoint of the API needs one of them."""

    READ = "read", "Read"  # English only: not shown
    REPLY = "reply", "Reply"  # English only: not shown
    MANAGE = "manage", "Manage"  # English only: not shown
    ERASE = "erase", "Erase"  # English only: not shown
    WEBHOOKS = "webhooks", "Webhooks"  # English only: not shown


class ApiToken(models.Model):
    """A token of a user. Only the SHA-256 digest of its key is stored (tickets.services.webhooks.api_tokens)."""

    user = models.ForeignKey(User, models.CASCADE, related_name="api_tokens")
    name = models.CharField(max_length=80)
    prefix = models.CharField(max_length=16, help_text="The beginning of the key, to recognise it.")
    digest = models.CharField(max_length=64, unique=True, help_text="SHA-256 of the key, in hexadecimal digits.")
    scopes = models.JSONField(default=list)
    created_at = models.DateTimeField(default=timezone.now)
    created_by = models.ForeignKey(User, models.SET_NULL, null=True, blank=True, related_name="+")
    expires_at = models.DateTimeField(null=True, blank=True)
    last_used_at = models.DateTimeField(null=True, blank=True, help_text="Written at most once a minute.")
    revoked_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        ordering = ["-id"]
        verbose_name = sentence("API token")

    def __str__(self) -> str:
        return f"{self.name} ({self.prefix}…)"

    @property
    def is_expired(self) -> bool:
        """Return whether its time is over."""
        return self.expires_at is not None and self.expires_at <= timezone.now()

    @property
    def works(self) -> bool:
        """Return whether the API accepts it now."""
        return self.revoked_at is None and not self.is_expired and self.user.is_active

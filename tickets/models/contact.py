"""The contact: a customer as one Page knows them."""

from django.conf import settings
from django.db import models
from django.utils import timezone

from channels_im.models import Page
from desk.text import shown_name


class Contact(models.Model):
    """Somebody who writes to a Page. Name and picture are our own copies; Meta may never give them."""

    class ProfileState(models.TextChoices):
        PENDING = "pending", "To be fetched"
        FETCHED = "fetched", "Fetched"
        REFUSED = "refused", "Not given by Meta"
        FAILED = "failed", "Could not be fetched"

    page = models.ForeignKey(Page, on_delete=models.PROTECT, related_name="contacts")
    psid = models.CharField("page-scoped user id", max_length=64)
    name = models.CharField(max_length=200, blank=True)
    picture = models.ImageField(upload_to="contacts/", blank=True)
    profile_state = models.CharField(max_length=8, choices=ProfileState, default=ProfileState.PENDING)
    profile_attempts = models.PositiveSmallIntegerField(default=0)
    profile_retry_after = models.DateTimeField(null=True, blank=True)
    blocked_at = models.DateTimeField(null=True, blank=True)
    blocked_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, null=True, blank=True, on_delete=models.SET_NULL, related_name="+"
    )
    first_seen_at = models.DateTimeField(default=timezone.now)
    email = models.EmailField("e-mail", blank=True)
    phone = models.CharField(max_length=40, blank=True)
    about = models.TextField(blank=True, help_text="What agents know about this customer; never sent to Facebook")
    origins = models.JSONField(
        null=True, blank=True, help_text="Where they came from: cards of ads and links with `at`, oldest first"
    )
    erased_at = models.DateTimeField(
        null=True, blank=True, help_text="When their data was erased; if they write again, that is a new contact"
    )

    class Meta:
        verbose_name = "customer"
        permissions = [("erase_contact", "Can erase a person")]
        constraints = [models.UniqueConstraint(fields=["page", "psid"], name="contact_once_per_page")]
        indexes = [
            models.Index(fields=["profile_state", "profile_retry_after"], name="contact_profile_due"),
            models.Index(fields=["-first_seen_at", "-id"], name="contact_newest"),
            models.Index(fields=["blocked_at"], name="contact_blocked", condition=models.Q(blocked_at__isnull=False)),
        ]

    def __str__(self) -> str:
        return self.display_name

    @property
    def display_name(self) -> str:
        """The name, or "Messenger user" with the last four digits of the PSID when Desk does not know it."""
        if self.erased_at:
            return "Erased person"
        return shown_name(self.name, 200) or f"Messenger user {self.psid[-4:]}"

    @property
    def is_blocked(self) -> bool:
        return self.blocked_at is not None

"""The contact: a customer as one Page knows them."""

from django.conf import settings
from django.db import models
from django.db.models.functions import Lower
from django.utils import timezone

from channels_im.models import Page
from desk.languages import translated
from desk.sentences import sentence
from desk.text import shown_name


class Contact(models.Model):
    """Somebody who writes to a Page. Name and picture are our own copies; Meta may never give them."""

    class ProfileState(models.TextChoices):
        PENDING = "pending", "To be fetched"  # English only: not shown
        FETCHED = "fetched", "Fetched"  # English only: not shown
        REFUSED = "refused", "Not given by Meta"  # English only: not shown
        FAILED = "failed", "Could not be fetched"  # English only: not shown

    page = models.ForeignKey(Page, on_delete=models.PROTECT, related_name="contacts")
    psid = models.CharField("page-scoped user id", max_length=64)  # English only: not shown
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
    person = models.ForeignKey(
        "Person",  # English only: a model
        null=True,
        blank=True,
        on_delete=models.SET_NULL,
        related_name="contacts",
        help_text="Set when agents have recognized contacts as the same person",
    )
    # NULL instead of "": SQLite adds such columns without copying the table, which would drop its triggers.
    external_id = models.CharField(  # noqa: DJ001 - unique
        max_length=128, null=True, blank=True, help_text="Id of the record in another system; unique"
    )
    external_url = models.CharField(  # noqa: DJ001
        max_length=2000, null=True, blank=True, help_text="Address of this record, with https"
    )
    erased_at = models.DateTimeField(
        null=True, blank=True, help_text="When their data was erased; if they write again, that is a new contact"
    )

    class Meta:
        verbose_name = sentence("customer")
        permissions = [("erase_contact", "Can erase a person")]  # English only: stored by Django
        constraints = [
            models.UniqueConstraint(fields=["page", "psid"], name="contact_once_per_page"),
            models.UniqueConstraint(
                fields=["external_id"], condition=models.Q(external_id__isnull=False), name="contact_external_id"
            ),
        ]
        indexes = [
            models.Index(fields=["profile_state", "profile_retry_after"], name="contact_profile_due"),
            models.Index(fields=["-first_seen_at", "-id"], name="contact_newest"),
            models.Index(Lower("name"), "id", name="contact_by_name"),
            models.Index(fields=["psid"], name="contact_psid"),  # searches do not know the Page
            models.Index(fields=["blocked_at"], name="contact_blocked", condition=models.Q(blocked_at__isnull=False)),
        ]

    def __str__(self) -> str:
        return self._known_name or self._words_for_name

    @property
    def display_name(self) -> str:
        """The name for a page: "Messenger user" with the end of the PSID, translated, when Desk does not know it."""
        return self._known_name or str(translated(self._words_for_name))

    @property
    def _known_name(self) -> str:
        return "" if self.erased_at else shown_name(self.name, 200)

    @property
    def _words_for_name(self) -> str:
        if self.erased_at:
            return sentence("Erased person")
        return sentence("Messenger user %(digits)s", digits=self.psid[-4:])

    @property
    def is_blocked(self) -> bool:
        return self.blocked_at is not None

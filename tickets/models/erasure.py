"""The receipt that a customer's data was erased."""

from django.conf import settings
from django.db import models
from django.utils import timezone
from django.utils.crypto import salted_hmac

from channels_im.models import Page
from desk.sentences import sentence

from .contact import Contact

SALT = "tickets.erasure"


class Erasure(models.Model):
    """Record that a contact was erased: by whom, when and how much. Only a fingerprint of the contact is left.

    The row is created together with the erasure in the database; `files_left` are the files still to be deleted.
    """

    confirmation_code = models.CharField(max_length=40, unique=True)
    page = models.ForeignKey(Page, on_delete=models.PROTECT, related_name="erasures")
    person = models.CharField(
        "fingerprint of the person",  # English only: not shown
        max_length=64,
        db_index=True,
        help_text="HMAC-SHA-256 of Page and page-scoped id",
    )
    contact = models.OneToOneField(Contact, null=True, on_delete=models.SET_NULL, related_name="erasure")
    erased_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, null=True, on_delete=models.SET_NULL, related_name="erasures"
    )
    retention_days = models.PositiveIntegerField(
        null=True, blank=True, help_text="After how many quiet days the retention rule erased them; empty: a person did"
    )
    erased_at = models.DateTimeField(default=timezone.now)
    counts = models.JSONField(default=dict, help_text="How much of each was erased: messages, files, bytes, …")
    meta_blocks = models.BooleanField(
        null=True, default=False, help_text="Whether Meta still blocks them; unknown when Meta has not answered"
    )
    files_left = models.JSONField(default=list, blank=True, help_text="Names in the storage, chosen by Desk")
    completed_at = models.DateTimeField(null=True, blank=True, help_text="When the last file was deleted")

    class Meta:
        verbose_name = sentence("erasure")
        verbose_name_plural = sentence("erasure log")
        ordering = ["-erased_at"]
        indexes = [models.Index(fields=["completed_at"], name="erasure_files_left")]

    def __str__(self) -> str:
        return f"Receipt {self.confirmation_code}"

    @staticmethod
    def fingerprint(page_id: str, psid: str, key: str | bytes | None = None) -> str:
        """Return the HMAC that a receipt stores for a contact; making it needs the PSID and this installation's key.

        `key` is a secret key; None means SECRET_KEY.
        """
        return salted_hmac(SALT, f"{page_id}:{psid}", secret=key, algorithm="sha256").hexdigest()

    @classmethod
    def fingerprints(cls, page_id: str, psid: str) -> list[str]:
        """Return the contact's fingerprints with SECRET_KEY and with each of SECRET_KEY_FALLBACKS."""
        return [cls.fingerprint(page_id, psid, key) for key in (settings.SECRET_KEY, *settings.SECRET_KEY_FALLBACKS)]

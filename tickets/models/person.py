"""The person above contacts: one human being who writes to several Pages; and the notes about a contact."""

from django.conf import settings
from django.db import models
from django.utils import timezone

from desk.sentences import sentence

from .contact import Contact


class Person(models.Model):
    """Contacts that agents have recognized as the same person. Nothing of the contacts is moved into it.

    Meta's ids are page-scoped, so that only people can tell. A row with fewer than two contacts means nothing: it is
    left when one of two contacts is erased.
    """

    created_at = models.DateTimeField(default=timezone.now, editable=False)
    created_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, null=True, blank=True, on_delete=models.SET_NULL, related_name="+"
    )

    def __str__(self) -> str:
        return sentence("person %(number)s", number=self.pk)


class ContactNote(models.Model):
    """A note that an agent wrote about a contact; never sent to Facebook."""

    contact = models.ForeignKey(Contact, on_delete=models.CASCADE, related_name="notes")
    author = models.ForeignKey(
        settings.AUTH_USER_MODEL, null=True, blank=True, on_delete=models.SET_NULL, related_name="contact_notes"
    )
    text = models.TextField()
    created_at = models.DateTimeField(default=timezone.now)
    edited_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        indexes = [models.Index(fields=["contact", "-created_at", "-id"], name="contact_note_newest")]

    def __str__(self) -> str:
        return sentence("note %(number)s", number=self.pk)

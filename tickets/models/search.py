"""The search index: the terms of every text that can be found, one table for each kind of text.

Triggers of the database keep these tables: a row that is written gets an entry without terms, a row that is deleted
loses its entry (tickets/migrations/0011_search_terms.py). tickets/services/inbox/indexing.py fills in the terms.
"""

from typing import Any

from django.db import models

from .contact import Contact
from .conversation import Conversation
from .message import Attachment, Message


class TermsField(models.Field):  # type: ignore[type-arg]  # cannot be subscripted at run time
    """Terms separated by spaces, as `desk.searching` makes them: a tsvector on PostgreSQL, a text on SQLite.

    NULL: not indexed yet. It is written by indexing.py alone.
    """

    def db_type(self, connection: Any) -> str:
        return "tsvector" if connection.vendor == "postgresql" else "text"


class MessageTerms(models.Model):
    """The terms of the text and cards of a message or note that is not withdrawn."""

    message = models.OneToOneField(
        Message, primary_key=True, on_delete=models.DO_NOTHING, db_constraint=False, related_name="+"
    )
    conversation = models.ForeignKey(Conversation, on_delete=models.DO_NOTHING, db_constraint=False, related_name="+")
    terms = TermsField(null=True)

    class Meta:
        indexes = [models.Index(fields=["message"], name="message_terms_due", condition=models.Q(terms__isnull=True))]

    def __str__(self) -> str:
        return f"terms of message {self.pk}"


class ContactTerms(models.Model):
    """The terms of a contact's name, e-mail address and phone number."""

    contact = models.OneToOneField(
        Contact, primary_key=True, on_delete=models.DO_NOTHING, db_constraint=False, related_name="+"
    )
    terms = TermsField(null=True)

    class Meta:
        indexes = [models.Index(fields=["contact"], name="contact_terms_due", condition=models.Q(terms__isnull=True))]

    def __str__(self) -> str:
        return f"terms of contact {self.pk}"


class AttachmentTerms(models.Model):
    """The terms of a file's name."""

    attachment = models.OneToOneField(
        Attachment, primary_key=True, on_delete=models.DO_NOTHING, db_constraint=False, related_name="+"
    )
    terms = TermsField(null=True)

    class Meta:
        indexes = [
            models.Index(fields=["attachment"], name="attachment_terms_due", condition=models.Q(terms__isnull=True))
        ]

    def __str__(self) -> str:
        return f"terms of attachment {self.pk}"

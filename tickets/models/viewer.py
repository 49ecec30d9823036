"""Who has a conversation open."""

from django.conf import settings
from django.db import models

from tickets.models.conversation import Conversation


class Viewer(models.Model):
    """One open page and the conversation it shows. The row expires when the page stops renewing it."""

    page_key = models.CharField(max_length=32, help_text="Made by the page when it was loaded")
    user = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="+")
    conversation = models.ForeignKey(Conversation, on_delete=models.CASCADE, related_name="viewers")
    seen_at = models.DateTimeField(db_index=True)
    typing_until = models.DateTimeField(null=True, blank=True)

    class Meta:
        db_table = "tickets_looking"  # the name it had in the first release
        constraints = [models.UniqueConstraint(fields=["user", "page_key"], name="page_looks_at_one_conversation")]

    def __str__(self) -> str:
        return f"{self.user} at {self.conversation}"

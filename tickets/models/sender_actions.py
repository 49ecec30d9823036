"""What the Page does in Messenger besides sending messages: Meta's sender actions."""

from django.conf import settings
from django.db import models
from django.utils import timezone

from .conversation import Conversation
from .message import Message


class PageReaction(models.Model):
    """The Page's reaction to a message as an agent wants it to be. Setting it twice is setting it once.

    The row stays, with the last wish; what the customer really sees stands in `Message.reactions`.
    """

    class State(models.TextChoices):
        WAITING = "waiting", "Meta is being told"
        TOLD = "told", "Meta was told"
        REFUSED = "refused", "Meta or Desk refused"

    message = models.OneToOneField(Message, on_delete=models.CASCADE, related_name="page_reaction")
    author = models.ForeignKey(settings.AUTH_USER_MODEL, null=True, on_delete=models.SET_NULL, related_name="+")
    emoji = models.CharField(max_length=32, blank=True, help_text="Empty: the reaction is taken back")
    state = models.CharField(max_length=7, choices=State, default=State.WAITING)
    reason = models.TextField(blank=True, help_text="Why it was refused, in words for the agent")
    due_at = models.DateTimeField(null=True, blank=True, db_index=True, help_text="When Meta is to be told next")
    attempts = models.PositiveSmallIntegerField(default=0)
    claimed_by = models.CharField(max_length=64, blank=True)
    claimed_until = models.DateTimeField(null=True, blank=True)

    def __str__(self) -> str:
        return f"reaction to {self.message_id}"


class SenderAction(models.Model):
    """That an agent is typing, or has read: shown to the customer now or not at all. One row of each a conversation."""

    class Kind(models.TextChoices):
        TYPING = "typing", "Typing"
        SEEN = "seen", "Seen"

    conversation = models.ForeignKey(Conversation, on_delete=models.CASCADE, related_name="sender_actions")
    kind = models.CharField(max_length=6, choices=Kind)
    is_on = models.BooleanField(default=True, help_text="Typing: begun, or stopped")
    wanted_at = models.DateTimeField(default=timezone.now)
    is_waiting = models.BooleanField(default=True, help_text="Not yet taken by the sender")

    class Meta:
        db_table = "tickets_pagesignal"  # the name of the first release stays
        constraints = [models.UniqueConstraint(fields=["conversation", "kind"], name="page_signal_once")]
        indexes = [models.Index(fields=["is_waiting", "wanted_at"], name="page_signal_due")]

    def __str__(self) -> str:
        return f"{self.kind} in {self.conversation_id}"

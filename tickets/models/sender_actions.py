"""What the Page does in Messenger besides sending messages: Meta's sender actions, and control of the thread."""

from django.conf import settings
from django.db import models
from django.utils import timezone

from .conversation import Conversation
from .message import Message


class PageReaction(models.Model):
    """The last reaction that an agent set for the Page on a message. Setting the same one twice has no further effect.

    What the customer sees is in `Message.reactions`.
    """

    class State(models.TextChoices):
        WAITING = "waiting", "Waiting to be sent to Meta"  # English only: not shown
        TOLD = "told", "Accepted by Meta"  # English only: not shown
        REFUSED = "refused", "Refused by Meta or Desk"  # English only: not shown

    message = models.OneToOneField(Message, on_delete=models.CASCADE, related_name="page_reaction")
    author = models.ForeignKey(settings.AUTH_USER_MODEL, null=True, on_delete=models.SET_NULL, related_name="+")
    emoji = models.CharField(max_length=32, blank=True, help_text="Empty: the reaction is removed")
    state = models.CharField(max_length=7, choices=State, default=State.WAITING)
    reason = models.TextField(blank=True, help_text="Why it was refused; shown to agents")
    due_at = models.DateTimeField(null=True, blank=True, db_index=True, help_text="When the next call to Meta is due")
    attempts = models.PositiveSmallIntegerField(default=0)
    claimed_by = models.CharField(max_length=64, blank=True)
    claimed_until = models.DateTimeField(null=True, blank=True)

    def __str__(self) -> str:
        return f"reaction to {self.message_id}"


class SenderAction(models.Model):
    """That an agent is typing or has read: sent to the customer in time or never. One row per conversation and kind."""

    class Kind(models.TextChoices):
        TYPING = "typing", "Typing"  # English only: not shown
        SEEN = "seen", "Seen"  # English only: not shown

    conversation = models.ForeignKey(Conversation, on_delete=models.CASCADE, related_name="sender_actions")
    kind = models.CharField(max_length=6, choices=Kind)
    is_on = models.BooleanField(default=True, help_text="Typing: started, or stopped")
    wanted_at = models.DateTimeField(default=timezone.now)
    is_waiting = models.BooleanField(default=True, help_text="Not yet claimed by the worker")

    class Meta:
        db_table = "tickets_pagesignal"  # the name it had in the first release
        constraints = [models.UniqueConstraint(fields=["conversation", "kind"], name="page_signal_once")]
        indexes = [models.Index(fields=["is_waiting", "wanted_at"], name="page_signal_due")]

    def __str__(self) -> str:
        return f"{self.kind} in {self.conversation_id}"


class ThreadControlRequest(models.Model):
    """The last time that an agent took control of a conversation from another app, or requested it."""

    class Action(models.TextChoices):
        TAKE = "take", "Take control"  # English only: not shown
        REQUEST = "request", "Request control"  # English only: not shown

    class State(models.TextChoices):
        WAITING = "waiting", "Waiting to be sent to Meta"  # English only: not shown
        TOLD = "told", "Accepted by Meta"  # English only: not shown
        REFUSED = "refused", "Refused by Meta or Desk"  # English only: not shown

    conversation = models.OneToOneField(Conversation, on_delete=models.CASCADE, related_name="control_request")
    author = models.ForeignKey(settings.AUTH_USER_MODEL, null=True, on_delete=models.SET_NULL, related_name="+")
    action = models.CharField(max_length=7, choices=Action)
    state = models.CharField(max_length=7, choices=State, default=State.WAITING)
    reason = models.TextField(blank=True, help_text="Why it was refused; shown to agents")
    due_at = models.DateTimeField(null=True, blank=True, db_index=True, help_text="When the next call to Meta is due")
    attempts = models.PositiveSmallIntegerField(default=0)
    claimed_by = models.CharField(max_length=64, blank=True)
    claimed_until = models.DateTimeField(null=True, blank=True)

    def __str__(self) -> str:
        return f"{self.action} of control in {self.conversation_id}"

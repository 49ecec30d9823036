"""What Meta is told of a person who is blocked or unblocked in Desk."""

from django.db import models
from django.utils import timezone

from .contact import Contact


class Moderation(models.Model):
    """The last wish for one person and what became of it; made with the first block, kept for the next ones.

    The row is the truth, the queue only a nudge. In Desk a block holds whatever Meta answers (Contact.blocked_at).
    """

    class State(models.TextChoices):
        WAITING = "waiting", "Meta is being told"
        TOLD = "told", "Meta was told"
        REFUSED = "refused", "Meta refused"

    contact = models.OneToOneField(Contact, on_delete=models.CASCADE, related_name="moderation")
    is_blocked = models.BooleanField(help_text="What is wished")
    meta_blocks = models.BooleanField(
        null=True, default=False, help_text="What Meta last confirmed; unknown from before a call until its answer"
    )
    state = models.CharField(max_length=7, choices=State, default=State.WAITING)
    reason = models.TextField(blank=True, help_text="Why Meta refused, in words for the agent")
    due_at = models.DateTimeField(null=True, blank=True, db_index=True, help_text="When Meta is to be told next")
    attempts = models.PositiveSmallIntegerField(default=0)
    claimed_by = models.CharField(max_length=64, blank=True)
    claimed_until = models.DateTimeField(null=True, blank=True)

    def __str__(self) -> str:
        return f"{'block' if self.is_blocked else 'unblock'} of {self.contact}"

    @property
    def is_under_way(self) -> bool:
        """Say whether a worker is telling Meta at this moment."""
        return self.claimed_until is not None and self.claimed_until > timezone.now()

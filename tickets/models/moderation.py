"""Blocks and unblocks that Desk passes on to Meta."""

from django.db import models
from django.utils import timezone

from .contact import Contact


class Moderation(models.Model):
    """The last block or unblock of a contact and whether Meta accepted it. The first block creates the row.

    The row decides what is sent, not the task queue. In Desk a block holds whatever Meta answers (Contact.blocked_at).
    """

    class State(models.TextChoices):
        WAITING = "waiting", "Waiting to be sent to Meta"  # English only: not shown
        TOLD = "told", "Accepted by Meta"  # English only: not shown
        REFUSED = "refused", "Refused by Meta"  # English only: not shown

    contact = models.OneToOneField(Contact, on_delete=models.CASCADE, related_name="moderation")
    is_blocked = models.BooleanField(help_text="Whether Desk blocks the contact")
    meta_blocks = models.BooleanField(
        null=True, default=False, help_text="What Meta last confirmed; unknown while a call is under way"
    )
    state = models.CharField(max_length=7, choices=State, default=State.WAITING)
    reason = models.TextField(blank=True, help_text="Why Meta refused; shown to agents")
    due_at = models.DateTimeField(null=True, blank=True, db_index=True, help_text="When the next call to Meta is due")
    attempts = models.PositiveSmallIntegerField(default=0)
    claimed_by = models.CharField(max_length=64, blank=True)
    claimed_until = models.DateTimeField(null=True, blank=True)

    def __str__(self) -> str:
        return f"{'block' if self.is_blocked else 'unblock'} of {self.contact}"

    @property
    def is_under_way(self) -> bool:
        """Whether a worker is calling Meta now."""
        return self.claimed_until is not None and self.claimed_until > timezone.now()

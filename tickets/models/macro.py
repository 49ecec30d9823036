"""Macros: sets of actions and texts that agents run on conversations, and the runs that can still be undone."""

from django.conf import settings
from django.db import models
from django.utils import timezone

from desk.models import Department

from .conversation import Conversation


class Macro(models.Model):
    """Actions under one name. It is shared, or personal to its `owner`."""

    name = models.CharField(max_length=60)
    key = models.CharField(max_length=180, editable=False, help_text="The name without case, by which it is unique")
    actions = models.JSONField(default=list, help_text="In their order; see tickets.rules.macros")
    names = models.JSONField(
        default=dict, blank=True, help_text="What its labels, agents and departments were called when it was saved"
    )
    owner = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        null=True,
        blank=True,
        on_delete=models.CASCADE,
        related_name="macros",
        help_text="Who alone sees and runs it; empty: everybody",
    )
    department = models.ForeignKey(
        Department,
        null=True,
        blank=True,
        on_delete=models.CASCADE,
        related_name="macros",
        help_text="Empty: for every department",
    )
    use_count = models.PositiveIntegerField(default=0, help_text="On how many conversations it was run")
    last_used_at = models.DateTimeField(null=True, blank=True)
    created_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, null=True, blank=True, on_delete=models.SET_NULL, related_name="+", editable=False
    )
    created_at = models.DateTimeField(default=timezone.now, editable=False)

    class Meta:
        ordering = ["key", "pk"]
        constraints = [
            models.UniqueConstraint(fields=["key"], condition=models.Q(owner=None), name="shared_macro_name"),
            models.UniqueConstraint(fields=["owner", "key"], name="personal_macro_name"),
        ]

    def __str__(self) -> str:
        return self.name


class MacroRun(models.Model):
    """One run of a macro on a conversation: what was before, so that it can be undone. Deleted after a day."""

    macro = models.ForeignKey(Macro, null=True, blank=True, on_delete=models.SET_NULL, related_name="runs")
    name = models.CharField(max_length=60, help_text="What the macro was called")
    conversation = models.ForeignKey(Conversation, on_delete=models.CASCADE, related_name="macro_runs")
    user = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="macro_runs")
    client_key = models.CharField(
        max_length=64, blank=True, help_text="Made by the page or client, so that running twice runs once"
    )
    done = models.JSONField(default=list, help_text="What was done, in words of desk.sentences")
    before = models.JSONField(default=dict, help_text="The values before it; see tickets.services.inbox.macro_undo")
    after = models.JSONField(default=dict, help_text="The values after it")
    messages = models.JSONField(default=list, help_text="Ids of the replies that it queued")
    created_at = models.DateTimeField(default=timezone.now)
    undone_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        default_permissions = ()  # only who ran it undoes it
        constraints = [
            models.UniqueConstraint(
                fields=["conversation", "user", "client_key"],
                condition=~models.Q(client_key=""),
                name="macro_run_once",
            ),
        ]
        indexes = [models.Index(fields=["created_at"], name="macro_run_age")]

    def __str__(self) -> str:
        return f"{self.name} ({self.conversation_id})"

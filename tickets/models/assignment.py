"""How conversations come to their agents: the settings of departments, and what Desk keeps of each agent for it."""

from django.core.validators import MaxValueValidator, MinValueValidator
from django.db import models
from django.db.models import Q
from django.utils.translation import gettext_lazy

from desk.models import Agent, Department
from desk.sentences import sentence
from tickets.rules.assigning import MOST_OPEN, Mode, OnReply

DEFAULT_CAPACITY = 10
LONGEST_AWAY_MINUTES = 24 * 60


class AssignmentSettings(models.Model):
    """Assignment in a department. One without a row has the defaults."""

    class OnReplyChoice(models.TextChoices):
        ASK = OnReply.ASK.value, gettext_lazy("Ask the one who replied")
        ALWAYS = OnReply.ALWAYS.value, gettext_lazy("Assign it to the one who replied")
        NEVER = OnReply.NEVER.value, gettext_lazy("Leave it unassigned")

    class ModeChoice(models.TextChoices):
        OFF = Mode.OFF.value, gettext_lazy("Off")
        ROUND_ROBIN = Mode.ROUND_ROBIN.value, gettext_lazy("In turn (round robin)")
        LEAST_LOADED = Mode.LEAST_LOADED.value, gettext_lazy("To the least loaded agent")

    department = models.OneToOneField(Department, on_delete=models.CASCADE, related_name="assignment")
    on_reply = models.CharField(max_length=6, choices=OnReplyChoice, default=OnReplyChoice.ASK)
    mode = models.CharField(max_length=12, choices=ModeChoice, default=ModeChoice.OFF)
    capacity = models.PositiveSmallIntegerField(
        default=DEFAULT_CAPACITY,
        validators=[MinValueValidator(1), MaxValueValidator(MOST_OPEN)],
        help_text="Open conversations of an agent who has no capacity of their own",
    )
    last_agent_first = models.BooleanField(default=True, help_text="To the agent who replied last, if they have room")
    hand_back_minutes = models.PositiveSmallIntegerField(
        null=True,
        blank=True,
        validators=[MinValueValidator(1), MaxValueValidator(LONGEST_AWAY_MINUTES)],
        help_text="How long a customer waits for an agent who is away until the conversation is unassigned; empty: off",
    )

    class Meta:
        default_permissions = ()  # those of the preferences of departments
        verbose_name_plural = sentence("assignment settings")
        constraints = [
            models.CheckConstraint(
                condition=Q(capacity__gte=1, capacity__lte=MOST_OPEN), name="assignment_capacity_in_range"
            ),
            models.CheckConstraint(
                condition=Q(hand_back_minutes=None)
                | Q(hand_back_minutes__gte=1, hand_back_minutes__lte=LONGEST_AWAY_MINUTES),
                name="assignment_hand_back_in_range",
            ),
        ]

    def __str__(self) -> str:
        return f"assignment in {self.department}"


class Availability(models.Model):
    """What automatic assignment keeps of an agent. One without a row has the defaults."""

    agent = models.OneToOneField(Agent, on_delete=models.CASCADE, related_name="availability")
    capacity = models.PositiveSmallIntegerField(
        null=True,
        blank=True,
        validators=[MaxValueValidator(MOST_OPEN)],
        help_text="How many open conversations they take; empty: as their department says; 0: none automatically",
    )
    turn = models.PositiveBigIntegerField(default=0, help_text="Number of their last automatic assignment")
    away_since = models.DateTimeField(null=True, blank=True, help_text="When they went away; empty: online")

    class Meta:
        default_permissions = ()
        verbose_name_plural = sentence("availability of agents")
        constraints = [
            models.CheckConstraint(
                condition=Q(capacity=None) | Q(capacity__lte=MOST_OPEN), name="agent_capacity_in_range"
            )
        ]

    def __str__(self) -> str:
        return f"availability of {self.agent}"

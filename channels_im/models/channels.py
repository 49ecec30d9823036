"""Channels, their agents, and the preferences of departments."""

from django.conf import settings
from django.core.validators import MaxValueValidator, MinValueValidator
from django.db import models
from django.db.models import Q
from django.utils import timezone
from django.utils.translation import gettext_lazy

from desk.models import Agent, Department
from desk.sentences import sentence

from .accounts import Page

DEFAULT_INTERMISSION_MINUTES = 60  # also the minimum
MAX_INTERMISSION_MINUTES = 24 * 60


class ChannelQuerySet(models.QuerySet["Channel"]):
    """Queries for channels."""

    def existing(self) -> "ChannelQuerySet":
        """Return the channels that are not deleted."""
        return self.filter(deleted_at=None)


class Channel(models.Model):
    """A Page that a department uses. A deleted channel keeps its row, so that its conversations stay readable."""

    name = models.CharField(max_length=100)
    icon = models.ImageField(upload_to="channel-icons/")
    page = models.ForeignKey(Page, on_delete=models.PROTECT, related_name="channels")
    department = models.ForeignKey(Department, on_delete=models.PROTECT, related_name="channels")
    agents = models.ManyToManyField(Agent, through="ChannelAgent", related_name="channels")
    is_active = models.BooleanField(default=True)
    receive_audio_video = models.BooleanField(
        default=False, help_text="Fetch audio and video that customers send. When off, a card says that they were sent."
    )
    shows_typing = models.BooleanField(default=False, help_text="Show customers when an agent is typing.")
    shows_seen = models.BooleanField(default=False, help_text="Show customers when an agent has read their message.")
    created_at = models.DateTimeField(default=timezone.now, editable=False)
    deactivated_at = models.DateTimeField(null=True, blank=True)
    deleted_at = models.DateTimeField(null=True, blank=True)

    objects = ChannelQuerySet.as_manager()

    class Meta:
        ordering = ["name"]
        constraints = [
            models.UniqueConstraint(fields=["page"], condition=Q(deleted_at=None), name="one_channel_per_page"),
            models.CheckConstraint(
                condition=Q(deleted_at=None) | Q(is_active=False), name="deleted_channel_is_inactive"
            ),
        ]

    def __str__(self) -> str:
        return self.name

    @property
    def is_deleted(self) -> bool:
        return self.deleted_at is not None


class ChannelAgent(models.Model):
    """*Associate Channel*: this agent sees the conversations of this channel and replies to them."""

    channel = models.ForeignKey(Channel, on_delete=models.CASCADE, related_name="associations")
    agent = models.ForeignKey(Agent, on_delete=models.CASCADE, related_name="associations")

    class Meta:
        constraints = [models.UniqueConstraint(fields=["channel", "agent"], name="agent_associated_once")]

    def __str__(self) -> str:
        return f"{self.agent} answers {self.channel}"


class ImPreferences(models.Model):
    """Preferences of a department: the pause after which a message opens a new ticket."""

    department = models.OneToOneField(Department, on_delete=models.CASCADE, related_name="im_preferences")
    threading_intermission = models.PositiveIntegerField(
        gettext_lazy("threading intermission in minutes"),
        default=DEFAULT_INTERMISSION_MINUTES,
        validators=[MinValueValidator(DEFAULT_INTERMISSION_MINUTES), MaxValueValidator(MAX_INTERMISSION_MINUTES)],
    )

    class Meta:
        verbose_name_plural = sentence("IM preferences")
        constraints = [
            models.CheckConstraint(
                condition=Q(
                    threading_intermission__gte=DEFAULT_INTERMISSION_MINUTES,
                    threading_intermission__lte=MAX_INTERMISSION_MINUTES,
                ),
                name="intermission_60_to_1440_minutes",
            )
        ]

    def __str__(self) -> str:
        return f"preferences of {self.department}"


class ChannelDraft(models.Model):
    """The input of an administrator in *Add Channel* or *Edit Channel*, saved during the Facebook login."""

    user = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="channel_drafts")
    channel = models.ForeignKey(Channel, null=True, blank=True, on_delete=models.CASCADE, related_name="drafts")
    fields = models.JSONField(default=dict)
    icon = models.FileField(upload_to="channel-drafts/", blank=True)
    icon_name = models.CharField(max_length=255, blank=True)
    updated_at = models.DateTimeField(auto_now=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["user", "channel"], name="one_draft_per_edited_channel"),
            models.UniqueConstraint(fields=["user"], condition=Q(channel=None), name="one_draft_of_a_new_channel"),
        ]

    def __str__(self) -> str:
        return f"draft of {self.user}"

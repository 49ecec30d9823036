"""Departments, users and agents, and the rows by which processes communicate."""

from django.contrib.auth.models import AbstractUser
from django.db import models
from django.utils import timezone


class User(AbstractUser):
    """A person who can log in. Administrators are staff; agents also have an Agent."""

    def __str__(self) -> str:
        return self.get_full_name() or self.username


class Department(models.Model):
    """Where tickets arrive. There can be at most as many channels as departments."""

    name = models.CharField(max_length=100, unique=True)
    created_at = models.DateTimeField(default=timezone.now, editable=False)

    class Meta:
        ordering = ["name"]

    def __str__(self) -> str:
        return self.name


class Agent(models.Model):
    """The agent side of a user: departments, presence and the Enter key."""

    class Presence(models.TextChoices):
        ONLINE = "online", "Online"
        AWAY = "away", "Away"
        OFFLINE = "off", "Off"

    user = models.OneToOneField(User, on_delete=models.CASCADE, related_name="agent")
    departments = models.ManyToManyField(Department, related_name="agents", blank=True)
    presence = models.CharField(max_length=6, choices=Presence, default=Presence.ONLINE)
    sends_with_enter = models.BooleanField(
        default=True, help_text="Enter sends and Shift+Enter starts a new line; off: Ctrl+Enter sends."
    )

    class Meta:
        ordering = ["user__username"]

    def __str__(self) -> str:
        return str(self.user)


class LiveEvent(models.Model):
    """An announcement to open pages, deleted after minutes. Used only where the database has no NOTIFY (desk.live)."""

    payload = models.JSONField()
    created_at = models.DateTimeField(default=timezone.now, db_index=True)

    def __str__(self) -> str:
        return f"live event {self.pk}"


class Heartbeat(models.Model):
    """The last heartbeat of a long-running process, by name (`worker`)."""

    name = models.CharField(max_length=50, primary_key=True)
    beat_at = models.DateTimeField()

    def __str__(self) -> str:
        return f"{self.name} at {self.beat_at:%H:%M:%S}"

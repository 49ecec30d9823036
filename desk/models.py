"""Departments, users and agents, the history, and the rows by which processes communicate."""

from django.contrib.auth.models import AbstractUser
from django.contrib.contenttypes.models import ContentType
from django.db import models
from django.utils import timezone
from django.utils.translation import gettext_lazy, pgettext_lazy


class User(AbstractUser):
    """A person who can log in. Administrators are staff; agents also have an Agent."""

    language = models.CharField(max_length=10, blank=True, help_text="Empty: what their browser asks for")

    def __str__(self) -> str:
        return self.get_full_name() or self.username


class Department(models.Model):
    """Where tickets arrive. There can be at most as many channels as departments."""

    name = models.CharField(max_length=100, unique=True)
    created_at = models.DateTimeField(default=timezone.now, editable=False)

    class Meta:
        ordering = ["name"]
        permissions = [  # English only: Desk has words of its own
            ("see_department_conversations", "Can see all conversations of their departments"),
        ]

    def __str__(self) -> str:
        return self.name


class Agent(models.Model):
    """The agent side of a user: departments, presence and the Enter key."""

    class Presence(models.TextChoices):
        ONLINE = "online", gettext_lazy("Online")
        AWAY = "away", gettext_lazy("Away")
        OFFLINE = "off", "Off"  # English only: of a migration; pages show PRESENCES

    user = models.OneToOneField(User, on_delete=models.CASCADE, related_name="agent")
    departments = models.ManyToManyField(Department, related_name="agents", blank=True)
    #: The presences as pages show them.
    PRESENCES = {
        Presence.ONLINE: Presence.ONLINE.label,
        Presence.AWAY: Presence.AWAY.label,
        Presence.OFFLINE: pgettext_lazy("presence", "Offline"),
    }

    presence = models.CharField(max_length=6, choices=Presence, default=Presence.ONLINE)
    sends_with_enter = models.BooleanField(
        default=True, help_text="Enter sends and Shift+Enter starts a new line; off: Ctrl+Enter sends."
    )

    class Meta:
        ordering = ["user__username"]

    def __str__(self) -> str:
        return str(self.user)

    @property
    def presence_words(self) -> str:
        """Return the presence as pages show it."""
        return str(self.PRESENCES[self.Presence(self.presence)])


class Invitation(models.Model):
    """The open invitation of a user who has not chosen a password yet (desk.accounts.invitations)."""

    user = models.OneToOneField(User, on_delete=models.CASCADE, related_name="invitation")
    digest = models.CharField(max_length=64, unique=True, help_text="SHA-256 of the token in the link.")
    sent_at = models.DateTimeField(default=timezone.now)

    class Meta:
        default_permissions = ()

    def __str__(self) -> str:
        return f"invitation of {self.user}"


class LiveEvent(models.Model):
    """An announcement to open pages, deleted after minutes. Used only where the database has no NOTIFY (desk.live)."""

    payload = models.JSONField()
    created_at = models.DateTimeField(default=timezone.now, db_index=True)

    def __str__(self) -> str:
        return f"live event {self.pk}"


class CacheRow(models.Model):
    """A value of Django's cache, where there is no Redis. Django reads and writes the table without this model."""

    cache_key = models.CharField(max_length=255, primary_key=True)
    value = models.TextField()
    expires = models.DateTimeField(db_index=True)

    class Meta:
        db_table = "desk_cache"

    def __str__(self) -> str:
        return self.cache_key


class RetentionRule(models.Model):
    """How long one kind of data is kept, as an administrator chose it. A kind without a row has its default."""

    kind = models.CharField(max_length=40, primary_key=True, help_text="A name registered in desk.retention")
    days = models.PositiveIntegerField(null=True, blank=True, help_text="Empty: for ever")

    def __str__(self) -> str:
        return f"retention of {self.kind}"


class RetentionRun(models.Model):
    """The last time that old data of one kind was deleted."""

    kind = models.CharField(max_length=40, primary_key=True)
    started_at = models.DateTimeField()
    finished_at = models.DateTimeField(null=True, blank=True, help_text="Empty: it goes on in the next task")
    deleted = models.PositiveBigIntegerField(default=0, help_text="Rows deleted or emptied")
    error = models.TextField(blank=True, help_text="Why it stopped early, as a sentence")

    class Meta:
        default_permissions = ()

    def __str__(self) -> str:
        return f"last retention of {self.kind}"


class TimingCount(models.Model):
    """How many messages took how long, in five minutes: a bucket of a histogram (desk.timings)."""

    kind = models.CharField(max_length=10, help_text="What was measured: a name in desk.timings")
    slot = models.DateTimeField(help_text="When the five minutes began")
    bound_ms = models.PositiveIntegerField(help_text="Upper bound of the bucket in milliseconds")
    count = models.PositiveBigIntegerField()

    class Meta:
        default_permissions = ()
        constraints = [models.UniqueConstraint(fields=["slot", "kind", "bound_ms"], name="timing_bucket_once")]

    def __str__(self) -> str:
        return f"{self.count} {self.kind} within {self.bound_ms} ms"


class Heartbeat(models.Model):
    """The last heartbeat of a long-running process, by name (`worker`)."""

    name = models.CharField(max_length=50, primary_key=True)
    beat_at = models.DateTimeField()

    def __str__(self) -> str:
        return f"{self.name} at {self.beat_at:%H:%M:%S}"


class AuditEntry(models.Model):
    """One line of the history: who did what to which object, when, and from where (desk.audit_log).

    Names are copied, so that the line stays readable after the user or the object is deleted.
    """

    class ActorKind(models.TextChoices):
        USER = "user", gettext_lazy("User")
        FACEBOOK = "facebook", "Facebook"  # English only: a name
        SYSTEM = "system", "Desk"  # English only: a name
        UNKNOWN = "unknown", gettext_lazy("Not logged in")

    class Action(models.TextChoices):
        ADDED = "added", gettext_lazy("Added")
        CHANGED = "changed", gettext_lazy("Changed")
        DELETED = "deleted", gettext_lazy("Deleted")
        LOGIN = "login", gettext_lazy("Logged in")
        LOGIN_FAILED = "login_failed", gettext_lazy("Login failed")
        LOGOUT = "logout", gettext_lazy("Logged out")
        PASSWORD = "password", gettext_lazy("Password changed")
        EMAIL = "email", gettext_lazy("E-mail changed")
        MFA = "mfa", gettext_lazy("Two-step login changed")
        LINKED = "linked", gettext_lazy("Facebook linked")
        CONTACT = "contact", gettext_lazy("Customer edited")
        VIEWED = "viewed", gettext_lazy("Raw data viewed")
        EXPORTED = "exported", gettext_lazy("Exported")
        TOKEN = "token", gettext_lazy("API token changed")
        ERASED = "erased", gettext_lazy("Erased")
        BLOCKED = "blocked", gettext_lazy("Blocked or unblocked")
        FACEBOOK = "facebook", gettext_lazy("Notice from Facebook")

    class Via(models.TextChoices):
        PAGE = "page", pgettext_lazy("of Desk, not of Facebook", "Page")
        TOKEN = "token", gettext_lazy("API token")
        INTERNAL = "internal", gettext_lazy("Desk itself")

    at = models.DateTimeField(default=timezone.now, db_index=True)
    actor_kind = models.CharField(max_length=8, choices=ActorKind, default=ActorKind.USER)
    actor = models.ForeignKey(User, models.SET_NULL, null=True, blank=True, related_name="audit_entries")
    actor_name = models.CharField(max_length=200, help_text="As it was then; for a failed login the name typed.")
    action = models.CharField(max_length=12, choices=Action)
    content_type = models.ForeignKey(ContentType, models.SET_NULL, null=True, blank=True, related_name="+")
    object_id = models.CharField(max_length=64, blank=True)
    object_name = models.CharField(max_length=200, blank=True)
    sentence = models.TextField(blank=True)
    address = models.GenericIPAddressField(null=True, blank=True)
    via = models.CharField(max_length=8, choices=Via, default=Via.INTERNAL)
    token_name = models.CharField(max_length=120, blank=True, help_text="Name and prefix of the API token.")
    count = models.PositiveIntegerField(default=1, help_text="How often, when repeats are counted in one line.")
    last_at = models.DateTimeField(null=True, blank=True, help_text="The last of the repeats.")

    class Meta:
        ordering = ["-id"]
        verbose_name, verbose_name_plural = gettext_lazy("history entry"), gettext_lazy("history")
        indexes = [
            models.Index(fields=["content_type", "object_id", "-id"], name="audit_of_object"),
            models.Index(fields=["actor", "-id"], name="audit_of_actor"),
            models.Index(fields=["action", "-at"], name="audit_of_action"),
        ]

    def __str__(self) -> str:
        return f"{self.actor_name}: {self.get_action_display()}"

    @property
    def kind_of_object(self) -> str:
        """Return what the object is, for example "channel"; "" when its model is gone."""
        if self.content_type_id is None:
            return ""
        model = ContentType.objects.get_for_id(self.content_type_id).model_class()
        return str(model._meta.verbose_name) if model else ""

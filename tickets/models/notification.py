"""What people are notified of and how, their browsers, and the rows that wait to be sent.

Rows that wait name conversation and message by number: they are checked again when they are sent, and the subject may
have been deleted.
"""

from datetime import time

from django.conf import settings
from django.db import models
from django.db.models import Q
from django.utils import timezone
from django.utils.translation import gettext_lazy

from desk.encryption import EncryptedTokenField

USER = settings.AUTH_USER_MODEL


class NotificationSettings(models.Model):
    """How a person wants to be notified. Who has no row has chosen nothing yet, and gets nothing."""

    class When(models.TextChoices):
        ALWAYS = "always", gettext_lazy("Always")
        ONLINE = "online", gettext_lazy("Only while I am online")
        AWAY = "away", "Only while I am away or off"  # English only: of a migration; pages show WHEN

    #: The choices as pages show them.
    WHEN = (
        (When.ALWAYS, When.ALWAYS.label),
        (When.ONLINE, When.ONLINE.label),
        (When.AWAY, gettext_lazy("Only while I am away or offline")),
    )

    user = models.OneToOneField(USER, on_delete=models.CASCADE, related_name="notification_settings")
    shows_text = models.BooleanField(default=True, help_text="Else notifications only say that there is a message")
    when = models.CharField(max_length=6, choices=When, default=When.ALWAYS)
    has_quiet_hours = models.BooleanField(default=False)
    quiet_from = models.TimeField(default=time(19))
    quiet_to = models.TimeField(default=time(8))
    quiet_days = models.CharField(max_length=7, default="0123456", help_text="Days on which they begin; 0 is Monday")
    time_zone = models.CharField(max_length=64, blank=True, help_text="Empty: that of the installation")
    mail_minutes = models.PositiveSmallIntegerField(
        default=15, help_text="After how many minutes without a reply there is an e-mail"
    )
    mailed_at = models.DateTimeField(null=True, blank=True)

    def __str__(self) -> str:
        return f"notifications of user {self.user_id}"


class NotificationChoice(models.Model):
    """A person wants to be notified of this kind in this way."""

    class By(models.TextChoices):
        PUSH = "push", gettext_lazy("Notification")
        MAIL = "mail", gettext_lazy("E-mail")

    user = models.ForeignKey(USER, on_delete=models.CASCADE, related_name="notification_choices")
    kind = models.CharField(max_length=20, help_text="See tickets.services.notifications.kinds")
    by = models.CharField(max_length=4, choices=By)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["kind", "by", "user"], name="notification_choice_once")]

    def __str__(self) -> str:
        return f"{self.kind} by {self.by} for user {self.user_id}"


class PushKey(models.Model):
    """The key by which push services know this installation (VAPID). One row, made when the first browser asks."""

    private_key = EncryptedTokenField()
    public_key = models.CharField(max_length=100)
    created_at = models.DateTimeField(default=timezone.now, editable=False)

    def __str__(self) -> str:
        return "push key"


class PushSubscription(models.Model):
    """A browser in which a person has turned notifications on. It ends with the session in that browser."""

    user = models.ForeignKey(USER, on_delete=models.CASCADE, related_name="push_subscriptions")
    session_key = models.CharField(max_length=40, db_index=True)
    endpoint = models.TextField(help_text="The address at the push service of the browser's maker")
    endpoint_digest = models.CharField(max_length=64, unique=True)
    p256dh = models.CharField(max_length=120, help_text="The browser's public key")
    auth = EncryptedTokenField(help_text="The browser's secret")
    public_key = models.CharField(max_length=100, help_text="The public key of Desk for which it was made")
    browser = models.CharField(max_length=200, blank=True)
    created_at = models.DateTimeField(default=timezone.now, editable=False)
    last_success_at = models.DateTimeField(null=True, blank=True)
    failures = models.PositiveIntegerField(default=0, help_text="In a row")
    failing_since = models.DateTimeField(null=True, blank=True)
    retry_after = models.DateTimeField(null=True, blank=True)

    def __str__(self) -> str:
        return f"browser {self.pk} of user {self.user_id}"


class Notice(models.Model):
    """Something happened of which people may want to be notified. The worker finds out who, and deletes the row."""

    kind = models.CharField(max_length=20)
    conversation_id = models.BigIntegerField()
    message_id = models.BigIntegerField(null=True, blank=True)
    to_user_id = models.BigIntegerField(null=True, blank=True, help_text="Empty: whoever the kind concerns")
    by_user_id = models.BigIntegerField(null=True, blank=True, help_text="Who caused it, and need not be told")
    created_at = models.DateTimeField(default=timezone.now, editable=False)

    def __str__(self) -> str:
        return f"{self.kind} in conversation {self.conversation_id}"


class PushDelivery(models.Model):
    """A notification on its way to one browser."""

    class State(models.TextChoices):
        PENDING = "pending", "Pending"  # English only: not shown
        SENDING = "sending", "Sending"  # English only: not shown

    subscription = models.ForeignKey(PushSubscription, on_delete=models.CASCADE, related_name="deliveries")
    kind = models.CharField(max_length=20)
    conversation_id = models.BigIntegerField()
    message_id = models.BigIntegerField(null=True, blank=True)
    by_user_id = models.BigIntegerField(null=True, blank=True)
    state = models.CharField(max_length=7, choices=State, default=State.PENDING)
    attempts = models.PositiveSmallIntegerField(default=0)
    created_at = models.DateTimeField(default=timezone.now, editable=False)
    retry_after = models.DateTimeField(null=True, blank=True)
    claimed_at = models.DateTimeField(null=True, blank=True)
    claimed_by = models.CharField(max_length=64, blank=True)

    class Meta:
        indexes = [models.Index(fields=["state", "retry_after", "id"], name="push_delivery_due")]

    def __str__(self) -> str:
        return f"push {self.pk}"


class MailReminder(models.Model):
    """An e-mail that is due unless what it is about is over by then. Once sent it stays, so that it is not repeated."""

    user = models.ForeignKey(USER, on_delete=models.CASCADE, related_name="mail_reminders")
    kind = models.CharField(max_length=20)
    conversation_id = models.BigIntegerField()
    message_id = models.BigIntegerField(null=True, blank=True)
    by_user_id = models.BigIntegerField(null=True, blank=True)
    since = models.DateTimeField(help_text="When the customer began to wait, or when it happened")
    due_at = models.DateTimeField(null=True, blank=True, help_text="Empty: it was sent, or is not needed")
    sent_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["user", "kind", "conversation_id"], name="mail_reminder_once")]
        indexes = [
            models.Index(fields=["due_at"], name="mail_reminder_due", condition=Q(due_at__isnull=False)),
            models.Index(fields=["conversation_id"], name="mail_reminder_conversation"),
        ]

    def __str__(self) -> str:
        return f"e-mail about conversation {self.conversation_id} to user {self.user_id}"

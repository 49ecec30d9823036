"""The people who linked their Facebook account, and the Pages to which they gave access."""

from allauth.socialaccount.models import SocialAccount
from django.conf import settings
from django.db import models
from django.db.models import Q
from django.utils import timezone

from desk.encryption import EncryptedTokenField
from desk.sentences import sentence


class FacebookAccount(models.Model):
    """The person who linked Facebook, with the long-lived user token (about 60 days)."""

    facebook_user_id = models.CharField(max_length=64, unique=True, help_text="App-scoped user id (ASID), never a PSID")
    name = models.CharField(max_length=200, blank=True)
    social_account = models.OneToOneField(
        SocialAccount, null=True, blank=True, on_delete=models.SET_NULL, related_name="facebook_account"
    )
    linked_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, null=True, blank=True, on_delete=models.SET_NULL, related_name="facebook_accounts"
    )
    user_token = EncryptedTokenField(null=True, blank=True, editable=False)
    expires_at = models.DateTimeField(null=True, blank=True, help_text="From Meta; empty: never")
    data_access_expires_at = models.DateTimeField(null=True, blank=True)
    scopes = models.JSONField(default=list, blank=True)
    linked_at = models.DateTimeField(default=timezone.now)
    app_removed_at = models.DateTimeField(null=True, blank=True)
    last_warned_days = models.PositiveSmallIntegerField(
        null=True, blank=True, help_text="The last warning sent before expiry, in days: 14, 7 or 1"
    )
    warning_after = models.DateTimeField(
        null=True, blank=True, help_text="Until then a worker sends the warning that is due"
    )

    class Meta:
        ordering = ["name"]

    def __str__(self) -> str:
        return self.name or f"Facebook user {self.facebook_user_id}"


class Page(models.Model):
    """A Facebook Page to which someone gave Desk access, with its last known state at Meta."""

    class Connection(models.TextChoices):
        CONNECTED = "connected", sentence("Connected")
        REAUTH_REQUIRED = "reauth_required", sentence("Re-authentication required")

    class Reason(models.TextChoices):
        """Why a Page must be re-authenticated; the values of messenger.errors.ReauthReason."""

        TOKEN_EXPIRED = "token_expired", sentence("The access token has expired")
        PERMISSION_REVOKED = "permission_revoked", sentence("A Page permission was revoked")
        PAGE_DESELECTED = "page_deselected", sentence("The Page was not ticked at the last Facebook login")
        APP_REMOVED = "app_removed", sentence("The app was removed in the Facebook settings")
        PASSWORD_CHANGED = "password_changed", sentence("The Facebook password was changed")
        CHECKPOINT = "checkpoint", sentence("Facebook asks the person to confirm their account")
        ROLE_LOST = "role_lost", sentence("The person no longer has a role on the Page")

    class DetectedBy(models.TextChoices):
        SEND = "send", sentence("a reply could not be sent")
        CALLBACK = "callback", sentence("a notification from Facebook")
        LOGIN = "login", sentence("a Facebook login")
        CHECK = "check", sentence("the daily check")

    class Subscription(models.TextChoices):
        UNKNOWN = "unknown", sentence("Not checked yet")
        SUBSCRIBED = "subscribed", sentence("Subscribed")
        INCOMPLETE = "incomplete", sentence("Some fields are missing")
        UNSUBSCRIBED = "unsubscribed", sentence("Not subscribed")

    page_id = models.CharField(max_length=64, unique=True)
    name = models.CharField(max_length=200)
    picture = models.ImageField(upload_to="pages/", blank=True)
    facebook_account = models.ForeignKey(
        FacebookAccount, null=True, blank=True, on_delete=models.SET_NULL, related_name="pages"
    )
    page_token = EncryptedTokenField(null=True, blank=True, editable=False)
    token_expires_at = models.DateTimeField(null=True, blank=True, help_text="From debug_token; empty: never")
    tasks = models.JSONField(default=list, blank=True)

    connection = models.CharField(max_length=16, choices=Connection, default=Connection.CONNECTED)
    reauth_reason = models.CharField(max_length=20, choices=Reason, blank=True)
    reauth_since = models.DateTimeField(null=True, blank=True)
    reauth_detected_by = models.CharField(max_length=8, choices=DetectedBy, blank=True)
    reauth_mailed_at = models.DateTimeField(
        null=True, blank=True, help_text="When the e-mail was sent: one per incident"
    )
    reauth_mail_after = models.DateTimeField(
        null=True, blank=True, help_text="When the e-mail is due; until then a worker sends it or waits"
    )

    subscription = models.CharField(max_length=12, choices=Subscription, default=Subscription.UNKNOWN)
    subscribed_fields = models.JSONField(default=list, blank=True)
    subscription_due_at = models.DateTimeField(
        null=True, blank=True, help_text="When to set and check the subscription next; empty: never"
    )
    subscription_attempts = models.PositiveSmallIntegerField(default=0, help_text="Counted before each attempt")
    subscription_error = models.TextField(blank=True, help_text="Why the last attempt failed, as a sentence")
    checked_at = models.DateTimeField(null=True, blank=True, help_text="Last debug_token and subscribed_apps check")
    trouble = models.JSONField(
        default=dict,
        blank=True,
        help_text="Problems besides the connection: Page restricted, app in development mode …",
    )
    last_event_at = models.DateTimeField(null=True, blank=True)
    rate_limited_until = models.DateTimeField(null=True, blank=True, help_text="Until then Meta takes no call")
    background_limited_until = models.DateTimeField(
        null=True, blank=True, help_text="Until then no profile, link or block is requested; replies are sent"
    )
    created_at = models.DateTimeField(default=timezone.now, editable=False)

    class Meta:
        ordering = ["name", "page_id"]
        constraints = [
            models.CheckConstraint(
                name="page_reauth_has_reason",
                condition=Q(connection="connected", reauth_reason="")
                | (Q(connection="reauth_required") & ~Q(reauth_reason="")),
            )
        ]
        indexes = [
            models.Index(
                fields=["subscription_due_at"],
                name="page_subscription_due",
                condition=Q(subscription_due_at__isnull=False),
            )
        ]

    def __str__(self) -> str:
        return self.name

    @property
    def is_connected(self) -> bool:
        return self.connection == self.Connection.CONNECTED


class PageOutage(models.Model):
    """A period in which a Page waited for re-authentication; `ended_at` is empty while it waits."""

    page = models.ForeignKey(Page, on_delete=models.CASCADE, related_name="outages")
    reason = models.CharField(max_length=20, choices=Page.Reason)
    began_at = models.DateTimeField()
    ended_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["page"], condition=Q(ended_at=None), name="one_outage_of_a_page_at_a_time")
        ]
        indexes = [models.Index(fields=["page", "-began_at"], name="outage_of_page")]

    def __str__(self) -> str:
        return f"{self.page}: {self.get_reason_display()}"


class PendingLink(models.Model):
    """A Facebook login that would stop a channel. Nothing changes until the administrator has decided."""

    user = models.OneToOneField(settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="pending_link")
    facebook_user_id = models.CharField(max_length=64)
    name = models.CharField(max_length=200, blank=True)
    user_token = EncryptedTokenField(editable=False)
    expires_at = models.DateTimeField(null=True, blank=True)
    next_url = models.CharField(max_length=500, blank=True)
    findings = models.JSONField(
        default=dict,
        blank=True,
        help_text="What the administrator must know: the channels that stay and that stop, the owner",
    )
    created_at = models.DateTimeField(default=timezone.now, editable=False)

    def __str__(self) -> str:
        return f"pending link of {self.name}"

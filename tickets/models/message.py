"""Messages and their files. Outgoing rows are also the outbox: their state decides what is sent, not the task queue."""

from django.conf import settings
from django.db import models
from django.db.models import Q
from django.utils import timezone
from django.utils.translation import gettext_lazy, pgettext_lazy

from channels_im.models import Page
from tickets.rules.sent_as import sticker_in

from .conversation import Conversation, Ticket


class Message(models.Model):
    """One message in the sense of Messenger (a text or a file), an internal note, or an event shown between them."""

    class Direction(models.TextChoices):
        IN = "in", "In"  # English only: not shown
        OUT = "out", "Out"  # English only: not shown

    class Kind(models.TextChoices):
        MESSAGE = "message", "Message"  # English only: not shown
        NOTE = "note", "Internal note"  # English only: not shown
        EVENT = "event", "Event"  # English only: not shown

    class Source(models.TextChoices):
        """Who wrote it."""

        CUSTOMER = "customer", gettext_lazy("Customer")
        AGENT = "agent", gettext_lazy("Agent")
        PAGE_INBOX = "page_inbox", gettext_lazy("Answered in Page inbox")
        THIS_APP = "this_app", gettext_lazy("Sent by this app, outside Desk")
        OTHER_APP = "other_app", gettext_lazy("Another app")
        SYSTEM = "system", "Desk"  # English only: a name

    class State(models.TextChoices):
        RECEIVED = "received", pgettext_lazy("a message is", "Received")
        QUEUED = "queued", pgettext_lazy("a message is", "Queued")
        SENDING = "sending", pgettext_lazy("a message is", "Sending")
        SENT = "sent", pgettext_lazy("a message is", "Sent")
        DELIVERED = "delivered", pgettext_lazy("a message is", "Delivered")
        READ = "read", pgettext_lazy("a message is", "Read")
        FAILED = "failed", gettext_lazy("Not sent")
        UNSURE = "unsure", gettext_lazy("Unsure whether it was sent")
        HELD = "held", pgettext_lazy("a message is", "Held")

    conversation = models.ForeignKey(Conversation, on_delete=models.CASCADE, related_name="messages")
    ticket = models.ForeignKey(Ticket, null=True, blank=True, on_delete=models.CASCADE, related_name="messages")
    page = models.ForeignKey(Page, on_delete=models.PROTECT, related_name="messages")
    mid = models.CharField(
        max_length=255,
        null=True,
        blank=True,
        help_text="Meta's message id, or a key made by Desk when Meta gave none",
    )
    direction = models.CharField(max_length=3, choices=Direction)
    kind = models.CharField(max_length=7, choices=Kind, default=Kind.MESSAGE)
    source = models.CharField(max_length=10, choices=Source)
    author = models.ForeignKey(
        settings.AUTH_USER_MODEL, null=True, blank=True, on_delete=models.SET_NULL, related_name="messages"
    )
    text = models.TextField(blank=True)
    card = models.JSONField(null=True, blank=True, help_text="null or the first card; see tickets.rules.cards")
    sent_as = models.JSONField(
        null=True, blank=True, help_text="null, or what is sent in place of text and file; see tickets.rules.sent_as"
    )
    mentions = models.JSONField(
        null=True, blank=True, help_text="null, or who is mentioned where in a note; see tickets.rules.mentions"
    )
    reply_to_mid = models.CharField(max_length=255, blank=True)
    reactions = models.JSONField(default=list, blank=True, help_text="[{by: customer or page, emoji, at}]")
    edited_at = models.DateTimeField(null=True, blank=True)
    edit_number = models.PositiveSmallIntegerField(default=0, help_text="num_edit of the newest edit processed")
    withdrawn_at = models.DateTimeField(null=True, blank=True)
    is_standby = models.BooleanField(default=False, help_text="Received while another app held the thread")

    sent_at = models.DateTimeField(
        help_text="Meta's time (ms); of a reply, the time it was written until Meta accepts it"
    )
    received_at = models.DateTimeField(default=timezone.now)
    recovered_at = models.DateTimeField(
        null=True, blank=True, help_text="When Desk read it from Facebook, because no webhook had delivered it"
    )
    is_imported = models.BooleanField(
        null=True, help_text="It is from before the channel was created (history import); empty: it is not"
    )
    answers_until = models.DateTimeField(
        null=True,
        blank=True,
        help_text="A reply answers what the customer said until then: when it was written; empty: until sent_at",
    )
    original_timestamp = models.CharField(max_length=64, blank=True, help_text="Meta's timestamp when it was not valid")

    state = models.CharField(max_length=9, choices=State)
    reason = models.TextField(blank=True, help_text="Why it failed, is held or unsure; shown to agents")
    waits_for_customer = models.BooleanField(
        default=False, help_text="Held until the customer writes; an agent must release any other held reply"
    )
    error_code = models.IntegerField(null=True, blank=True)
    error_subcode = models.IntegerField(null=True, blank=True)
    fbtrace_id = models.CharField(max_length=64, blank=True)
    attempts = models.PositiveSmallIntegerField(default=0)
    retry_after = models.DateTimeField(null=True, blank=True)
    claimed_at = models.DateTimeField(null=True, blank=True)
    claimed_by = models.CharField(max_length=64, blank=True)
    delivered_at = models.DateTimeField(null=True, blank=True)
    read_at = models.DateTimeField(null=True, blank=True)
    client_key = models.CharField(
        max_length=64, null=True, blank=True, help_text="Made by the composer, so that sending twice makes one message"
    )

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["page", "mid"], name="mid_once_per_page"),
            models.UniqueConstraint(fields=["conversation", "client_key"], name="client_key_once"),
            models.CheckConstraint(
                name="state_fits_direction",
                condition=Q(direction="in", state="received") | (Q(direction="out") & ~Q(state="received")),
            ),
            models.CheckConstraint(
                name="customer_message_has_a_ticket",
                condition=~Q(kind="message", direction="in") | Q(ticket__isnull=False),
            ),
        ]
        indexes = [
            models.Index(fields=["conversation", "-sent_at", "-id"], name="message_thread"),
            models.Index(fields=["-sent_at", "-id"], name="message_newest"),
            # Not partial: SQLite uses a partial index only when the query has its condition without parameters.
            models.Index(fields=["state", "retry_after", "id"], name="message_outbox"),
            models.Index(fields=["conversation", "state", "id"], name="message_outbox_order"),
        ]

    def __str__(self) -> str:
        return f"message {self.pk}"

    @property
    def is_file(self) -> bool:
        """Whether Meta shows it as a file and not as a text: a file, or a sticker of which Desk has no picture."""
        return bool(sticker_in(self.sent_as)) or self.attachments.exists()


class Attachment(models.Model):
    """A file of a message: stored, or a card that names the file and says why it is not stored."""

    class Kind(models.TextChoices):
        IMAGE = "image", gettext_lazy("Image")
        DOCUMENT = "document", gettext_lazy("Document")
        VIDEO = "video", gettext_lazy("Video")
        AUDIO = "audio", gettext_lazy("Audio")
        STICKER = "sticker", gettext_lazy("Sticker")

    class State(models.TextChoices):
        PENDING = "pending", gettext_lazy("Being fetched")
        STORED = "stored", gettext_lazy("Stored")
        REFUSED = "refused", gettext_lazy("Refused")
        FAILED = "failed", gettext_lazy("Could not be fetched")

    message = models.ForeignKey(Message, on_delete=models.CASCADE, related_name="attachments")
    position = models.PositiveSmallIntegerField(default=0)
    kind = models.CharField(max_length=8, choices=Kind)
    name = models.CharField(max_length=255, blank=True)
    file = models.FileField(upload_to="attachments/%Y/%m/", blank=True, max_length=255)
    content_type = models.CharField(max_length=100, blank=True, help_text="As the bytes show it")
    size = models.PositiveBigIntegerField(null=True, blank=True, help_text="bytes")
    width = models.PositiveIntegerField(null=True, blank=True, help_text="pixels")
    height = models.PositiveIntegerField(null=True, blank=True, help_text="pixels")
    state = models.CharField(max_length=7, choices=State, default=State.PENDING)
    reason = models.TextField(blank=True)
    source_url = models.TextField(blank=True, help_text="Meta's link; it expires")
    attempts = models.PositiveSmallIntegerField(default=0)
    refreshes = models.PositiveSmallIntegerField(default=0, help_text="How often a new link was requested from Meta")
    retry_after = models.DateTimeField(null=True, blank=True)

    class Meta:
        ordering = ["position", "id"]
        constraints = [
            models.UniqueConstraint(fields=["message", "position"], name="attachment_position_once"),
            models.CheckConstraint(name="stored_attachment_has_a_file", condition=~Q(state="stored") | ~Q(file="")),
        ]
        indexes = [
            models.Index(fields=["state", "retry_after"], name="attachment_due", condition=Q(state="pending")),
            models.Index(
                fields=["id"], name="attachment_without_size", condition=Q(state="refused", size=None, attempts=0)
            ),
        ]

    def __str__(self) -> str:
        return self.name or f"attachment {self.pk}"

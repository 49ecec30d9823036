"""The journal: every webhook POST that was answered 200, and its state."""

from django.db import models
from django.utils import timezone
from django.utils.translation import pgettext_lazy

from desk.sentences import sentence

from .accounts import Page


class WebhookDelivery(models.Model):
    """One signed POST of Meta. The raw bytes are the source; everything else can be derived from them again.

    What Desk reads from the Conversations API, because no webhook delivered it, is a delivery of the same form, with
    the source `recovered`, or `imported` when it is from before the channel was created.
    """

    class State(models.TextChoices):
        PENDING = "pending", pgettext_lazy("a delivery is", "Waiting")
        PROCESSING = "processing", pgettext_lazy("a delivery is", "Being processed")
        DONE = "done", pgettext_lazy("a delivery is", "Done")
        FAILED = "failed", pgettext_lazy("a delivery is", "Failed")
        PARKED = "parked", sentence("Waiting (channel off)")
        IGNORED = "ignored", sentence("Ignored: no connected Page")
        EMPTIED = "emptied", sentence("Processed, content deleted")

    class Source(models.TextChoices):
        RECOVERED = "recovered", sentence("Recovered: read from Facebook afterwards")
        IMPORTED = "imported", sentence("Imported: from before the channel was created")

    body = models.BinaryField()
    received_at = models.DateTimeField(default=timezone.now)
    source = models.CharField(
        max_length=9, choices=Source, null=True, blank=True, help_text="Empty: a webhook delivered it"
    )
    state = models.CharField(max_length=10, choices=State, default=State.PENDING)
    attempts = models.PositiveSmallIntegerField(default=0, help_text="Counted before each attempt")
    retry_after = models.DateTimeField(null=True, blank=True)
    pieces = models.PositiveIntegerField(
        default=0, help_text="How many pieces of it were processed; more than 0 only for one with very many events"
    )
    claimed_at = models.DateTimeField(null=True, blank=True)
    claimed_by = models.CharField(max_length=64, blank=True)
    processed_at = models.DateTimeField(null=True, blank=True)
    progress = models.JSONField(
        default=dict,
        blank=True,
        help_text="Which events are done, and tries and error of others, so that one failure does not stop the rest",
    )
    error = models.TextField(blank=True, help_text="The reason as a sentence, with the traceback if there is one")
    indexed_at = models.DateTimeField(
        null=True, blank=True, help_text="When the ids in the body were written to DeliveryMention; empty: not yet"
    )

    class Meta:
        verbose_name_plural = sentence("webhook deliveries")
        ordering = ["-id"]
        indexes = [
            models.Index(fields=["state", "retry_after", "id"], name="delivery_due"),
            models.Index(fields=["received_at"], name="delivery_received"),
            models.Index(
                fields=["pieces", "id"], name="delivery_continued", condition=models.Q(state="pending", pieces__gt=0)
            ),
            models.Index(fields=["id"], name="delivery_not_indexed", condition=models.Q(indexed_at__isnull=True)),
        ]

    def __str__(self) -> str:
        return f"delivery {self.pk}"


class DeliveryMention(models.Model):
    """An id that a delivery names, so that erasing a person finds their deliveries without reading every body.

    The id is a digest of 64 bits: two ids may share one, so a reader looks into the body as well.
    """

    digest = models.BigIntegerField()
    delivery = models.ForeignKey(WebhookDelivery, on_delete=models.CASCADE, related_name="mentions")

    class Meta:
        constraints = [models.UniqueConstraint(fields=["digest", "delivery"], name="delivery_mentions_id_once")]

    def __str__(self) -> str:
        return f"mention in {self.delivery}"


class ParkedDelivery(models.Model):
    """A delivery that waits until the channel of this Page is activated again."""

    delivery = models.ForeignKey(WebhookDelivery, on_delete=models.CASCADE, related_name="parked_for")
    page = models.ForeignKey(Page, on_delete=models.CASCADE, related_name="parked_deliveries")

    class Meta:
        constraints = [models.UniqueConstraint(fields=["delivery", "page"], name="delivery_parked_once_per_page")]

    def __str__(self) -> str:
        return f"{self.delivery} parked for {self.page}"


class DataRequest(models.Model):
    """A deauthorize or data-deletion callback, and how it was handled."""

    class Kind(models.TextChoices):
        DEAUTHORIZE = "deauthorize", sentence("App removed")
        DELETION = "deletion", sentence("Data deletion")

    class State(models.TextChoices):
        RECEIVED = "received", pgettext_lazy("a data request is", "Received")
        COMPLETED = "completed", pgettext_lazy("a data request is", "Completed")

    kind = models.CharField(max_length=12, choices=Kind)
    facebook_user_id = models.CharField(max_length=64)
    confirmation_code = models.CharField(max_length=40, unique=True)
    issued_at = models.DateTimeField()
    received_at = models.DateTimeField(default=timezone.now)
    state = models.CharField(max_length=10, choices=State, default=State.RECEIVED)
    completed_at = models.DateTimeField(null=True, blank=True)
    detail = models.TextField(blank=True)

    class Meta:
        ordering = ["-received_at"]
        constraints = [
            # the same signed_request again is a replay
            models.UniqueConstraint(fields=["kind", "facebook_user_id", "issued_at"], name="data_request_once")
        ]

    def __str__(self) -> str:
        return f"{self.kind} {self.confirmation_code}"

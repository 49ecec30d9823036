"""What the *Go live* page knows: the results of its checks, what administrators have ticked, and the privacy policy."""

from django.conf import settings
from django.db import models
from django.utils.translation import pgettext_lazy

from desk.sentences import sentence


class GoLive(models.Model):
    """The one row of the *Go live* page: when its checks are due and were made, and its test message."""

    due_at = models.DateTimeField(null=True, blank=True, help_text="When the checks are to run; empty: never")
    attempts = models.PositiveSmallIntegerField(default=0, help_text="Counted before each attempt")
    checked_at = models.DateTimeField(null=True, blank=True)
    error = models.TextField(blank=True, help_text="Why the last checks did not end, as a sentence")
    test_message_id = models.BigIntegerField(null=True, blank=True, help_text="The last test message (tickets.Message)")
    is_hidden = models.BooleanField(default=False, help_text="Not shown on the first page of Setup")

    class Meta:
        default_permissions = ()

    def __str__(self) -> str:
        return "Go live"


class GoLiveStep(models.Model):
    """What is known about one step: the result of the last check, or the tick of an administrator."""

    class State(models.TextChoices):
        DONE = "done", pgettext_lazy("a step is", "Done")
        TO_DO = "to_do", pgettext_lazy("a step is", "To do")
        UNKNOWN = "unknown", sentence("Cannot be checked from here")

    key = models.CharField(max_length=80, primary_key=True, help_text="A step of services/go_live/catalogue.py")
    state = models.CharField(max_length=8, choices=State, blank=True, help_text="Empty: never checked")
    detail = models.TextField(blank=True, help_text="What the check found, as a sentence")
    checked_at = models.DateTimeField(null=True, blank=True)
    ticked_at = models.DateTimeField(null=True, blank=True)
    ticked_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, null=True, blank=True, on_delete=models.SET_NULL, related_name="+"
    )
    ticked_by_name = models.CharField(max_length=200, blank=True, help_text="As it was then")

    class Meta:
        default_permissions = ()

    def __str__(self) -> str:
        return self.key


class PrivacyPolicy(models.Model):
    """The one privacy policy, shown at /privacy/ once it is saved."""

    contact = models.CharField(max_length=200, help_text="Whom people ask about their data")
    text = models.TextField()
    changed_at = models.DateTimeField()

    class Meta:
        verbose_name_plural = sentence("privacy policies")
        default_permissions = ()

    def __str__(self) -> str:
        return "Privacy policy"

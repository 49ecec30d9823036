"""Views of the inbox that people have saved: a name, a filter and an order."""

from django.conf import settings
from django.db import models
from django.db.models import Q
from django.utils import timezone

from desk.models import Department


class SavedView(models.Model):
    """A fixed view narrowed by a filter, under a name. It is its owner's, a department's, or (neither) everybody's."""

    name = models.CharField(max_length=60)
    owner = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        null=True,
        blank=True,
        on_delete=models.CASCADE,
        related_name="saved_views",
        help_text="Empty: shared with a department or everybody",
    )
    department = models.ForeignKey(
        Department, null=True, blank=True, on_delete=models.CASCADE, related_name="saved_views"
    )
    base = models.CharField(max_length=20, help_text="Name of the fixed view that it narrows")
    filter = models.JSONField(default=dict, blank=True, help_text="As tickets.rules.filters writes it")
    order = models.CharField(max_length=20)
    position = models.PositiveIntegerField(default=0)
    version = models.PositiveIntegerField(default=1, help_text="Counts its changes")
    created_at = models.DateTimeField(default=timezone.now, editable=False)

    class Meta:
        default_permissions = ()
        permissions = [  # English only: Desk has words of its own
            ("share_savedview", "Can share views of the inbox with any department and everybody"),
        ]
        constraints = [
            models.CheckConstraint(name="saved_view_for_one_audience", condition=Q(owner=None) | Q(department=None))
        ]

    def __str__(self) -> str:
        return self.name

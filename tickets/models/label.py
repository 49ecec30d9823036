"""Labels, which agents add to tickets."""

from django.db import models
from django.utils import timezone
from django.utils.translation import pgettext_lazy

from desk.models import Department


class Label(models.Model):
    """A word on tickets, with a color. It is for one department, or for every one."""

    class Color(models.TextChoices):
        """The names of the hues of the style sheet."""

        BLUE = "blue", pgettext_lazy("color", "Blue")
        PURPLE = "purple", pgettext_lazy("color", "Purple")
        PINK = "pink", pgettext_lazy("color", "Pink")
        ORANGE = "orange", pgettext_lazy("color", "Orange")
        YELLOW = "yellow", pgettext_lazy("color", "Yellow")
        GREEN = "green", pgettext_lazy("color", "Green")
        TEAL = "teal", pgettext_lazy("color", "Teal")
        SKY = "sky", pgettext_lazy("color", "Sky blue")

    name = models.CharField(max_length=40)
    key = models.CharField(max_length=120, editable=False, help_text="The name without case, by which it is unique")
    color = models.CharField(max_length=6, choices=Color, default=Color.BLUE)
    description = models.CharField(max_length=200, blank=True)
    department = models.ForeignKey(
        Department,
        null=True,
        blank=True,
        on_delete=models.CASCADE,
        related_name="labels",
        help_text="Empty: for every department",
    )
    created_at = models.DateTimeField(default=timezone.now, editable=False)

    class Meta:
        ordering = ["key", "pk"]
        constraints = [
            models.UniqueConstraint(
                fields=["key"], condition=models.Q(department=None), name="label_of_every_department"
            ),
            models.UniqueConstraint(fields=["department", "key"], name="label_of_department"),
        ]

    def __str__(self) -> str:
        return self.name

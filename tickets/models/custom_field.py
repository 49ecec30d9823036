"""Custom fields of contacts and tickets: their definitions, and their values."""

from django.db import models
from django.db.models import Q
from django.utils import timezone
from django.utils.translation import gettext_lazy

from desk.models import Department
from desk.sentences import sentence
from tickets.rules.custom_fields import Definition, for_people

from .contact import Contact
from .conversation import Ticket


class CustomField(models.Model):
    """A field that an administrator has added to contacts or tickets."""

    class Of(models.TextChoices):
        CONTACT = "contact", gettext_lazy("Customers")
        TICKET = "ticket", gettext_lazy("Tickets")

    class Kind(models.TextChoices):
        """Those of tickets.rules.custom_fields.Kind, in words."""

        TEXT = "text", gettext_lazy("Text")
        NUMBER = "number", gettext_lazy("Number")
        DATE = "date", gettext_lazy("Date")
        CHOICE = "choice", gettext_lazy("Choice")
        YES_NO = "yes_no", gettext_lazy("Yes or no")

    of = models.CharField(max_length=7, choices=Of)
    kind = models.CharField(max_length=6, choices=Kind)
    name = models.CharField(max_length=60)
    key = models.CharField(max_length=40, unique=True, help_text="Its name in the API and in filters")
    description = models.CharField(max_length=200, blank=True)
    department = models.ForeignKey(
        Department,
        null=True,
        blank=True,
        on_delete=models.PROTECT,
        related_name="custom_fields",
        help_text="Empty: for the tickets of every department",
    )
    minimum = models.DecimalField(max_digits=21, decimal_places=6, null=True, blank=True)
    maximum = models.DecimalField(max_digits=21, decimal_places=6, null=True, blank=True)
    choices = models.JSONField(default=list, blank=True, help_text="[{id, name}] in their order; ids do not come back")
    position = models.PositiveIntegerField(default=0)
    archived_at = models.DateTimeField(null=True, blank=True, help_text="It is not shown; its values are kept")
    created_at = models.DateTimeField(default=timezone.now, editable=False)

    class Meta:
        verbose_name = sentence("field")
        verbose_name_plural = sentence("fields")
        ordering = ["of", "position", "pk"]

    def __str__(self) -> str:
        return self.name

    @property
    def definition(self) -> Definition:
        """What the rules need to know of it."""
        names = {choice["id"]: choice["name"] for choice in self.choices}
        return Definition(self.name, self.kind, self.minimum, self.maximum, names)


class FieldValue(models.Model):
    """What a field says about one contact or one ticket. Without a value there is no row.

    The constraints and the index begin with each of the three references: these have no index of their own.
    """

    field = models.ForeignKey(CustomField, on_delete=models.CASCADE, related_name="values", db_index=False)
    contact = models.ForeignKey(
        Contact, null=True, blank=True, on_delete=models.CASCADE, related_name="field_values", db_index=False
    )
    ticket = models.ForeignKey(
        Ticket, null=True, blank=True, on_delete=models.CASCADE, related_name="field_values", db_index=False
    )
    text = models.CharField(max_length=500, help_text="As tickets.rules.custom_fields stores it")
    lookup = models.CharField(max_length=120, help_text="What it is found by")

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["contact", "field"], name="field_once_per_contact"),
            models.UniqueConstraint(fields=["ticket", "field"], name="field_once_per_ticket"),
            models.CheckConstraint(
                name="field_value_of_one",
                condition=Q(contact=None, ticket__isnull=False) | Q(contact__isnull=False, ticket=None),
            ),
        ]
        indexes = [models.Index(fields=["field", "lookup"], name="field_value_lookup")]

    def __str__(self) -> str:
        return self.text

    @property
    def words(self) -> str:
        """The value in words, in English."""
        return for_people(self.field.definition, self.text)

"""The names of what a list can be filtered by, as a user may see them. Each is a prepared query."""

from typing import Any

from django.contrib.auth.models import AnonymousUser
from django.db.models import QuerySet

from desk.models import Department
from tickets.services.conversation import access
from tickets.services.conversation.access import UserFacts
from tickets.services.conversation.prepared_access import PreparedForFacts
from tickets.services.inbox import labels as label_service


def _channels(facts: UserFacts) -> QuerySet[Any, Any]:
    seen = access.channels_for(AnonymousUser(), facts)
    return seen.order_by("name").values_list("pk", "name", "department__name", "deleted_at")


def _departments(_facts: UserFacts) -> QuerySet[Any, Any]:
    return Department.objects.order_by("name").values_list("pk", "name")


def _labels(facts: UserFacts) -> QuerySet[Any, Any]:
    return label_service.seen_by(facts).values_list("pk", "name")


#: Channels: id, name, name of the department, and whether it was deleted (false or true in the sense of Python).
channels = PreparedForFacts(_channels).rows
#: Departments: id and name.
departments = PreparedForFacts(_departments).rows
#: Labels: id and name.
labels = PreparedForFacts(_labels).rows

"""Lists of the API of which the user sees few conversations, or none: of all, or of a channel, Page or department.

The database would read all rows in the order of the list, and ask of each whether the user may see it. That soon fills
a page when many may be seen, and takes seconds when there are few or none, as in a channel of others.
"""

from typing import Any

from django.db.models import QuerySet
from django_filters import FilterSet

from channels_im.models import Channel
from desk.models import Department
from desk.one_of import OneOf
from tickets.api.base import ApiViewSet
from tickets.api.paging import MAX_ID, Row
from tickets.models import Conversation
from tickets.services.conversation import access

NAMED = ("channel", "page_id", "department")
MOST = 1000  # conversations: then rows are found by these


class FewConversations(ApiViewSet[Row]):
    """Narrows a list to the conversations that the user sees and the query names, if these are few."""

    filterset_class: type[FilterSet]
    by_conversation = "conversation"  # the column of the rows
    of_conversation = "pk"  # the column of a conversation that it is compared with
    has_department = False  # whether a filter by department names that of the conversation
    # How the names of other filters begin that may describe many rows of which the user sees none.
    of_others: tuple[str, ...] = ()

    def filter_queryset(self, queryset: QuerySet[Row, Any]) -> QuerySet[Row, Any]:
        found = None if self.detail or self.facts.sees_all else self._few()
        if found is not None:
            queryset = queryset.filter(OneOf(self.by_conversation, found)) if found else queryset.none()
        return super().filter_queryset(queryset)

    def _few(self) -> list[int] | None:
        """Return what the rows have in their column when it is few, else None."""
        user, query = self.request.user, self.request.query_params
        named = self._named()
        if named is not None:
            return access.few_ids(named, self.of_conversation, MOST)
        if self.facts.sees_few:
            return access.few_ids(access.conversations_for(user, self.facts), self.of_conversation)
        narrowing = [name for name in query if query[name] != user.username]  # an index finds what is the user's
        if any(name.startswith(self.of_others) for name in narrowing):
            return access.few_ids(access.conversations_for(user, self.facts), self.of_conversation)
        return None

    def _named(self) -> QuerySet[Conversation, Conversation] | None:
        """Return the visible conversations of the channel, the Page and the department that the query names.

        None when it names nothing, or what no channel can have; the filters say so.
        """
        query, known = self.request.query_params, self.filterset_class.base_filters
        channel, page, department = (query.get(name, "") if name in known else "" for name in NAMED)
        conditions: dict[str, object] = {}
        if channel.isascii() and channel.isdecimal() and len(channel) < len(str(MAX_ID)):
            conditions["channel"] = int(channel)
        if page and "\0" not in page:
            of_page = Channel.objects.filter(page__page_id=page).values_list("pk", flat=True)
            conditions["channel__in"] = list(of_page)
        if department and self.has_department and "\0" not in department:
            of_name = Department.objects.filter(name=department).values_list("pk", flat=True)
            conditions["department__in"] = list(of_name)
        return access.conversations_for(self.request.user, self.facts).filter(**conditions) if conditions else None

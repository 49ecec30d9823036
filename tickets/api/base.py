"""The base of all view sets of the API, and the type of their requests."""

from typing import Any

from django.db.models import QuerySet
from django.http import Http404
from rest_framework import mixins, status, viewsets
from rest_framework.exceptions import NotFound
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.serializers import BaseSerializer

from desk.models import User
from tickets.models import Conversation, Scope
from tickets.services.conversation import access

from . import conditional
from .authentication import needs
from .errors import ActionError
from .paging import KeysetPaging, OrderedView, Row


class ApiRequest(Request):
    """A request in a view of the API. DEFAULT_PERMISSION_CLASSES let no anonymous user through."""

    user: User


class ApiViewSet(OrderedView, viewsets.GenericViewSet[Row]):
    """The rows of one model that the user may see."""

    request: ApiRequest
    pagination_class = KeysetPaging
    facts: access.UserFacts = access.NOBODY  # of the last `get_queryset`
    lookup_value_regex = "[0-9]+"  # int() reads digits of other scripts too

    def rows(self, facts: access.UserFacts) -> QuerySet[Row, Row]:
        """Return the rows that the user with these facts may see, with all that the serializer reads."""
        raise NotImplementedError

    def get_queryset(self) -> QuerySet[Row, Row]:
        self.facts = access.facts_for(self.request.user)
        return self.rows(self.facts)

    def require_work(self, conversation: Conversation) -> None:
        """Refuse, with 409, what changes a conversation that the user may only read; call it after `get_object`."""
        if not access.may_work_in(self.facts, conversation):
            raise ActionError(status.HTTP_409_CONFLICT, access.READ_ONLY, access.NOT_ASSOCIATED)

    def changed(self, pk: int, serializer: type[BaseSerializer[Any]], code: int = status.HTTP_200_OK) -> Response:
        """Return the row as it is after a change; 204 when the user lost access meanwhile, or by the change itself."""
        row = self.get_queryset().filter(pk=pk).first()
        if row is None:
            return Response(status=status.HTTP_204_NO_CONTENT)
        return Response(serializer(row, context=self.get_serializer_context()).data, status=code)

    def get_object(self) -> Row:
        try:
            return super().get_object()
        except (Http404, OverflowError):  # OverflowError: the database cannot hold such an id
            raise NotFound("There is no such row, or you may not see it.") from None


class ReadOnlyViewSet(mixins.RetrieveModelMixin, mixins.ListModelMixin, ApiViewSet[Row]):
    """The list of an ApiViewSet and its single rows, with an ETag."""

    def finalize_response(self, request: Request, response: Any, *args: Any, **kwargs: Any) -> Any:
        finished: Any = super().finalize_response(request, response, *args, **kwargs)
        return conditional.answer(request, finished) if isinstance(finished, Response) else finished

    @needs(Scope.READ)
    def list(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        return super().list(request, *args, **kwargs)

    @needs(Scope.READ)
    def retrieve(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        return super().retrieve(request, *args, **kwargs)

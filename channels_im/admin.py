"""Facebook's requests about the people who linked it, in Setup."""

from collections.abc import Iterable
from typing import Any
from urllib.parse import urlencode

from django.contrib import admin
from django.db.models import Q
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.urls import reverse
from django.utils.translation import gettext, pgettext

from channels_im.models import DataRequest
from desk.admin import ReadOnlyAdmin
from desk.languages import translated
from desk.sentences import sentence
from desk.setup_lists import Asked, Empty, SetupList


@admin.register(DataRequest)
class DataRequestAdmin(ReadOnlyAdmin[DataRequest]):
    """Deauthorize and data-deletion callbacks with their state."""

    list_title = sentence("Data requests from Facebook")
    list_template = "channels_im/data_requests.html"

    def list_of(self, request: HttpRequest) -> SetupList:
        asked = Asked(request, "kind", "state")
        requests = DataRequest.objects.all()
        for name, choices in (("kind", DataRequest.Kind), ("state", DataRequest.State)):
            if asked[name] in choices.values:
                requests = requests.filter(**{name: asked[name]})
        if asked.search:
            requests = requests.filter(Q(facebook_user_id=asked.search) | Q(confirmation_code__iexact=asked.search))
        rows, pager = asked.newest_of(requests)
        return SetupList(
            asked,
            (
                pgettext("a column with times", "Received"),
                gettext("Kind"),
                gettext("Facebook user"),
                gettext("State"),
                gettext("Confirmation code"),
            ),
            rows,
            pager,
            Empty(
                gettext("No requests"),
                gettext("When somebody who linked Facebook removes the app, Facebook's request appears here."),
            ),
            search_words=gettext("Facebook user id or confirmation code"),
            chips=(
                asked.chips("kind", _translated(DataRequest.Kind.choices)),
                asked.chips("state", _translated(DataRequest.State.choices)),
            ),
        )

    def change_view(self, request: HttpRequest, object_id: str, *args: Any, **kwargs: Any) -> HttpResponse:
        """Redirect to the list: it shows all of a request."""
        found = self.get_object(request, object_id)
        query = urlencode({"q": found.confirmation_code}) if found else ""
        return redirect(f"{reverse('admin:channels_im_datarequest_changelist')}?{query}")


def _translated(choices: Iterable[tuple[str, object]]) -> list[tuple[str, str]]:
    return [(value, str(translated(label))) for value, label in choices]

"""Serve channel icons and Page pictures: media is never served by path, always by a view that checks permissions."""

from django.db.models.fields.files import FieldFile
from django.http import Http404, HttpResponse
from django.shortcuts import get_object_or_404
from django.utils.translation import gettext

from channels_im.models import Channel, ChannelDraft, Page
from channels_im.setup.access import CHANGE_PREFERENCES, SEE_CHANNELS, VIEW_PREFERENCES, setup_view
from desk.requests import UserRequest
from desk.unavailable import no_storage

CONTENT_TYPES = {"png": "image/png", "jpg": "image/jpeg", "jpeg": "image/jpeg"}


@setup_view(*SEE_CHANNELS, VIEW_PREFERENCES, CHANGE_PREFERENCES)
def channel_icon(request: UserRequest, pk: int) -> HttpResponse:
    """Serve the icon of a channel."""
    return _serve(request, get_object_or_404(Channel, pk=pk).icon)


@setup_view(*SEE_CHANNELS)
def page_picture(request: UserRequest, pk: int) -> HttpResponse:
    """Serve the picture of a Page."""
    return _serve(request, get_object_or_404(Page, pk=pk).picture)


@setup_view(*SEE_CHANNELS)
def draft_icon(request: UserRequest, pk: int) -> HttpResponse:
    """Serve the icon of the user's own draft."""
    return _serve(request, get_object_or_404(ChannelDraft, pk=pk, user=request.user).icon)


def _serve(request: UserRequest, file: FieldFile) -> HttpResponse:
    extension = (file.name or "").rpartition(".")[2].lower()
    if extension not in CONTENT_TYPES:
        raise Http404(gettext("There is no picture."))
    try:
        with file.open("rb") as picture:  # small: our own copies, a few hundred pixels wide
            response = HttpResponse(picture.read(), content_type=CONTENT_TYPES[extension])
    except FileNotFoundError:
        raise Http404(gettext("The picture is gone.")) from None
    except OSError as error:
        return no_storage(request, error)
    response["Cache-Control"] = "private, max-age=60"
    response["Content-Security-Policy"] = "default-src 'none'; sandbox"
    return response

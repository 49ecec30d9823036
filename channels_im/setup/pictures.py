"""Channel icons and page pictures: media is never served by path, always through a view that asks who may see it."""

from django.db.models.fields.files import FieldFile
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404

from channels_im.models import Channel, ChannelDraft, Page
from channels_im.setup.access import CHANGE_PREFERENCES, SEE_CHANNELS, VIEW_PREFERENCES, setup_view

TYPES = {"png": "image/png", "jpg": "image/jpeg", "jpeg": "image/jpeg"}


@setup_view(*SEE_CHANNELS, VIEW_PREFERENCES, CHANGE_PREFERENCES)
def channel_icon(request: HttpRequest, pk: int) -> HttpResponse:
    return _serve(get_object_or_404(Channel, pk=pk).icon)


@setup_view(*SEE_CHANNELS)
def page_picture(request: HttpRequest, pk: int) -> HttpResponse:
    return _serve(get_object_or_404(Page, pk=pk).picture)


@setup_view(*SEE_CHANNELS)
def draft_icon(request: HttpRequest, pk: int) -> HttpResponse:
    return _serve(get_object_or_404(ChannelDraft, pk=pk, user=request.user).icon)


def _serve(file: FieldFile) -> HttpResponse:
    extension = file.name.rpartition(".")[2].lower() if file else ""
    if extension not in TYPES:
        raise Http404("There is no picture.")
    try:
        with file.open("rb") as kept:  # small: our own copies, a few hundred pixels wide
            response = HttpResponse(kept.read(), content_type=TYPES[extension])
    except FileNotFoundError:
        raise Http404("The picture is gone.") from None
    response["Cache-Control"] = "private, max-age=300"
    response["Content-Security-Policy"] = "default-src 'none'; sandbox"
    return response

"""The Facebook accounts that somebody linked, among the pages of their own account."""

from django.contrib.auth.decorators import login_required
from django.core.exceptions import PermissionDenied
from django.db.models import Prefetch
from django.http import HttpResponse
from django.shortcuts import render
from django.views.decorators.http import require_safe

from channels_im.models import Channel, FacebookAccount, Page
from channels_im.setup import presenters
from channels_im.setup.access import LINK_FACEBOOK, may
from desk import permission_words
from desk.requests import UserRequest


@require_safe
@login_required
def show(request: UserRequest) -> HttpResponse:
    """List the Facebook accounts that the user linked, with their Pages and channels."""
    if not may(request.user, *LINK_FACEBOOK):
        raise PermissionDenied(permission_words.sentence_for(*LINK_FACEBOOK))
    channels = Prefetch("channels", Channel.objects.existing(), to_attr="shown_channels")
    pages = Prefetch("pages", Page.objects.prefetch_related(channels).order_by("name"))
    accounts = FacebookAccount.objects.filter(linked_by=request.user).prefetch_related(pages)
    rows = [{"account": account, "end": presenters.login_sentence(account)} for account in accounts]
    return render(request, "account/linked_facebook.html", {"rows": rows})

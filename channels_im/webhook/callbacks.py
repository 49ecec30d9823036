"""Deauthorize and data deletion: what Facebook tells us of the person who linked a Page, and its public status page.

Source: Meta, "Deauthorize callback" and "Data deletion callback": a form with one field, `signed_request`.
"""

import logging

from django.conf import settings
from django.core.exceptions import SuspiciousOperation
from django.db import DatabaseError
from django.http import HttpRequest, HttpResponse, JsonResponse, UnreadablePostError
from django.http.multipartparser import MultiPartParserError
from django.shortcuts import render
from django.urls import reverse
from django.utils import timezone
from django.views.decorators.cache import never_cache
from django.views.decorators.csrf import csrf_exempt
from django.views.decorators.http import require_POST, require_safe

from channels_im.messenger.signature import SignedRequestError, parse_signed_request
from channels_im.models import DataRequest
from channels_im.services.facebook import data_requests
from channels_im.webhook.views import app_secrets

logger = logging.getLogger(__name__)

MAX_BODY_BYTES = 32_768
MAX_USER_ID_CHARS = 64


@csrf_exempt
@never_cache
@require_POST
def deauthorize(request: HttpRequest) -> HttpResponse:
    """A person removed the app in their Facebook settings: their Pages stop. 400 for what Meta did not just sign."""
    return _take(request, DataRequest.Kind.DEAUTHORIZE)


@csrf_exempt
@never_cache
@require_POST
def delete_data(request: HttpRequest) -> HttpResponse:
    """A person asks for the deletion of their data. Answers {"url", "confirmation_code"}; 400 as above."""
    return _take(request, DataRequest.Kind.DELETION)


@never_cache
@require_safe
def status(request: HttpRequest, code: str) -> HttpResponse:
    """Show to everybody who has the code what became of the request; names nobody."""
    found = DataRequest.objects.filter(confirmation_code=code).first()
    page = render(request, "channels_im/data_request.html", {"found": found}, status=200 if found else 404)
    page["X-Robots-Tag"] = "noindex, nofollow"
    return page


def _take(request: HttpRequest, kind: str) -> HttpResponse:
    if _length(request) > MAX_BODY_BYTES:
        return _plain("The request is too large.", 413)
    try:
        text = _signed_request(request)
        signed = parse_signed_request(text, app_secrets(), now=timezone.now())
        if len(signed.user_id) > MAX_USER_ID_CHARS or not signed.user_id.isascii() or not signed.user_id.isprintable():
            raise SignedRequestError("The signed request names a user with an id that cannot be one.")
    except SignedRequestError as error:
        logger.warning("A %s callback was refused: %s", kind, error.reason)
        return _plain(error.reason, 400)
    try:
        taken = data_requests.handle(kind, signed)
    except DatabaseError:
        logger.exception("A %s callback could not be kept; Meta is asked to come again", kind)
        return _plain("Try again.", 503)
    url = settings.PUBLIC_URL + reverse("data_request_status", args=[taken.confirmation_code])
    return JsonResponse({"url": url, "confirmation_code": taken.confirmation_code})


def _length(request: HttpRequest) -> int:
    try:
        return int(request.META.get("CONTENT_LENGTH") or 0)
    except ValueError:
        return 0


def _signed_request(request: HttpRequest) -> str:
    """Return the field of the form, "" when there is none. Raises SignedRequestError when it cannot be read."""
    try:
        return request.POST.get("signed_request", "")
    except (SuspiciousOperation, MultiPartParserError, UnreadablePostError) as error:
        raise SignedRequestError("The request is no form.") from error


def _plain(text: str, status: int) -> HttpResponse:
    return HttpResponse(text, status=status, content_type="text/plain; charset=utf-8")

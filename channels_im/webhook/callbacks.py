"""Answer Facebook's deauthorize and data-deletion callbacks about people who linked Pages, and show their status page.

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
from django.utils import timezone, translation
from django.views.decorators.cache import never_cache
from django.views.decorators.csrf import csrf_exempt
from django.views.decorators.http import require_POST, require_safe

from channels_im.messenger.signature import SignedRequestError, parse_signed_request
from channels_im.models import DataRequest
from channels_im.services.facebook import data_requests
from channels_im.webhook.views import app_secrets
from desk import logs
from desk.body_limits import CALLBACK_BYTES

logger = logging.getLogger(__name__)

MAX_USER_ID_CHARS = 64


@csrf_exempt
@never_cache
@require_POST
def deauthorize(request: HttpRequest) -> HttpResponse:
    """Stop the Pages of a person who removed the app in their Facebook settings. 400 without a recent signature."""
    return _handle(request, DataRequest.Kind.DEAUTHORIZE)


@csrf_exempt
@never_cache
@require_POST
def delete_data(request: HttpRequest) -> HttpResponse:
    """Delete the data of a person at their request. Answers {"url", "confirmation_code"}; 400 as above."""
    return _handle(request, DataRequest.Kind.DELETION)


@never_cache
@require_safe
def status(request: HttpRequest, code: str) -> HttpResponse:
    """Show the state of a request to anyone who has its code, without names, in the language of their browser."""
    data_request = DataRequest.objects.filter(confirmation_code=code).first()
    with translation.override(translation.get_language_from_request(request)):
        page = render(
            request, "channels_im/data_request.html", {"found": data_request}, status=200 if data_request else 404
        )
    page["X-Robots-Tag"] = "noindex, nofollow"
    return page


def _handle(request: HttpRequest, kind: str) -> HttpResponse:
    if _content_length(request) > CALLBACK_BYTES:
        return _plain("The request is too large.", 413)  # English only: Meta reads it
    try:
        text = _signed_request(request)
        signed = parse_signed_request(text, app_secrets(), now=timezone.now())
        if len(signed.user_id) > MAX_USER_ID_CHARS or not signed.user_id.isascii() or not signed.user_id.isprintable():
            raise SignedRequestError("The user id in the signed request is invalid.")  # English only: Meta reads it
    except SignedRequestError as error:
        logger.warning("A %s callback was refused: %s", kind, error.reason)
        return _plain(error.reason, 400)
    try:
        data_request = data_requests.handle(kind, signed)
    except DatabaseError as error:
        logger.error("A %s callback was answered 503, and Meta sends it again: %s", kind, logs.summary(error))
        return _plain("Try again.", 503)  # English only: Meta reads it
    url = settings.PUBLIC_URL + reverse("data_request_status", args=[data_request.confirmation_code])
    return JsonResponse({"url": url, "confirmation_code": data_request.confirmation_code})


def _content_length(request: HttpRequest) -> int:
    try:
        return int(request.META.get("CONTENT_LENGTH") or 0)
    except ValueError:
        return 0


def _signed_request(request: HttpRequest) -> str:
    """Return the field `signed_request`, "" when it is missing. Raises SignedRequestError for an unreadable form."""
    try:
        return request.POST.get("signed_request", "")
    except (SuspiciousOperation, MultiPartParserError, UnreadablePostError) as error:
        raise SignedRequestError("The request is not a form.") from error  # English only: Meta reads it


def _plain(text: str, status: int) -> HttpResponse:
    return HttpResponse(text, status=status, content_type="text/plain; charset=utf-8")

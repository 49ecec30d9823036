"""The webhook as a Django view: Meta's challenge, and deliveries under servers without ASGI."""

import logging
import time

from django.conf import settings
from django.core.exceptions import RequestDataTooBig
from django.db import DatabaseError
from django.http import HttpRequest, HttpResponse
from django.views.decorators.cache import never_cache
from django.views.decorators.csrf import csrf_exempt
from django.views.decorators.http import require_http_methods

from channels_im.messenger.webhook import MAX_BODY_BYTES, check_head, check_post, verify_challenge
from channels_im.services.journal import store
from desk import logs, metrics

logger = logging.getLogger(__name__)


def app_secrets() -> tuple[str, str]:
    """Return the app secrets whose signatures count: the current one and, during a rotation, the previous one."""
    return settings.META_APP_SECRET, settings.META_APP_SECRET_PREVIOUS


@csrf_exempt
@never_cache
@require_http_methods(["GET", "POST"])
def messenger(request: HttpRequest) -> HttpResponse:
    """Answer Meta. POST: size (413), signature (403), `object` (404); stored in the journal (200), or not (503)."""
    if request.method == "GET":
        challenge = verify_challenge(request.GET, settings.META_VERIFY_TOKEN)
        if challenge is None:
            logger.info("A webhook GET was answered 403: the verify token is wrong")
            return _plain("The verify token is wrong.", 403)  # English only: Meta reads it
        return _plain(challenge, 200)
    began = time.monotonic()
    response = _answer_post(request)
    metrics.WEBHOOK_ANSWERS.add(str(response.status_code))
    if response.status_code == 200:
        metrics.STORED.observe(time.monotonic() - began)
    return response


def _answer_post(request: HttpRequest) -> HttpResponse:
    refusal = check_head(_announced_bytes(request), request.headers)
    if refusal is not None:
        logger.info("A webhook POST was answered %s: %s", refusal.status, refusal.outcome)
        return _plain(refusal.outcome, refusal.status)
    body = _read_body(request)
    verdict = check_post(body, request.headers, app_secrets())
    if not verdict.accepted:
        logger.info("A webhook POST was answered %s: %s", verdict.status, verdict.outcome)
        return _plain(verdict.outcome, verdict.status)
    try:
        store.record([body])
    except DatabaseError as error:
        logger.error("A delivery was answered 503, and Meta sends it again: %s", logs.summary(error))
        return _plain("try again", 503)  # English only: Meta reads it
    return _plain("ok", 200)


def _announced_bytes(request: HttpRequest) -> int:
    text = request.META.get("CONTENT_LENGTH") or ""
    return int(text) if text.isascii() and text.isdigit() and len(text) < 19 else 0


def _read_body(request: HttpRequest) -> bytes:
    """Return the body, or more than MAX_BODY_BYTES when it is too large."""
    try:
        return request.read(MAX_BODY_BYTES + 1)
    except RequestDataTooBig:
        return b" " * (MAX_BODY_BYTES + 1)


def _plain(text: str, status: int) -> HttpResponse:
    response = HttpResponse(text, status=status, content_type="text/plain; charset=utf-8")
    vars(response)["_has_been_logged"] = True  # by this module, with the reason; Django logs only what has not been
    return response

"""Take control of a conversation from the app that holds it, or request it. One row per conversation holds the request.

A claim is committed before its call. A call whose outcome is unknown is repeated: a second one changes nothing. A wake
only says that there are rows.
"""

import logging
from datetime import timedelta

from django.conf import settings
from django.db import transaction
from django.db.models import QuerySet
from django.utils import timezone

from channels_im.messenger import thread_control as meta
from channels_im.messenger.cards import app_name
from channels_im.messenger.errors import GraphError
from channels_im.services.facebook import page_errors
from channels_im.services.facebook.page_errors import Call
from desk import wake
from desk.claims import LatestRequests
from desk.models import User
from desk.sentences import sentence
from tickets.models import Conversation, Message, ThreadControlRequest
from tickets.rules import sending
from tickets.rules.sending import Verdict
from tickets.services.conversation import messages
from tickets.services.conversation.times import now_ms
from tickets.services.outgoing import replies
from tickets.services.outgoing.replies import ReplyError

logger = logging.getLogger(__name__)

JOB = "thread control"  # English only: for logs and metrics
MAX_RUN_S = 20
MAX_ATTEMPTS = 5  # the agent waits for it: later they would not know any more what it was for
INTERNAL_ERROR = sentence("An error occurred in Desk. The log has the details.")
NO_ANSWER = sentence("Facebook did not answer. Try again later.")
NOTHING_TO_TAKE = sentence("No other app controls this conversation. You can reply.")

Action, State = ThreadControlRequest.Action, ThreadControlRequest.State
requests = LatestRequests(ThreadControlRequest, wanted=("action", "due_at"))


def owner_name(conversation: Conversation) -> str:
    """Return the name of the app that holds the conversation in the middle of a sentence, or "" when none does."""
    owner = conversation.thread_owner_app_id
    return app_name(None if owner == Conversation.UNKNOWN_APP else owner, settings.META_APP_ID) if owner else ""


def may_control(user: User | None, conversation: Conversation) -> Verdict:
    """Return whether `user` may take or request control: as for a reply, but the messaging window may be closed.

    `conversation` comes with its contact, channel and Page freshly read.
    """
    return sending.may_act(replies.send_facts(user, conversation, author_is_human=True, now=timezone.now()))


def request(user: User, conversation: Conversation, action: str) -> None:
    """Request that Meta give us control (`take`), or ask the app that has it (`request`). Raises ReplyError."""
    with transaction.atomic():
        messages.lock(conversation)
        fresh = Conversation.objects.select_related("contact", "channel__page").get(pk=conversation.pk)
        verdict = may_control(user, fresh)
        if not verdict.allowed:
            raise ReplyError(verdict)
        if not fresh.thread_owner_app_id:
            raise replies.not_possible(NOTHING_TO_TAKE)
        ThreadControlRequest.objects.update_or_create(
            conversation=fresh,
            defaults={
                "author": user,
                "action": action,
                "state": State.WAITING,
                "reason": "",
                "attempts": 0,
                "due_at": timezone.now(),
            },
        )
        wake.wake(JOB)
        messages.announce(fresh)


def due() -> QuerySet[ThreadControlRequest, ThreadControlRequest]:
    """Return the requests to send now: not claimed by a running call, and their Page not rate limited."""
    return requests.due().filter(page_errors.background_allowed("conversation__channel__page__"))


def is_due() -> bool:
    """Return whether a request waits to be sent."""
    return due().exists()


def send_requests() -> int:
    """Send the requests that are due; return how many rows were tried."""
    return requests.work(_claim, _handle, max_run_s=MAX_RUN_S)


def _claim() -> ThreadControlRequest | None:
    related = ("author", "conversation__contact", "conversation__channel__page")
    return requests.claim_first(due().select_related(*related))


def _handle(row: ThreadControlRequest) -> None:
    verdict = may_control(row.author, row.conversation)
    if not verdict.allowed:
        _write(row, State.REFUSED, verdict.sentence)
    elif not row.conversation.thread_owner_app_id:
        _write(row, State.TOLD)
    else:
        _record(row, _send(row))


def _send(row: ThreadControlRequest) -> Exception | None:
    page, psid = row.conversation.channel.page, row.conversation.contact.psid
    call = meta.take if row.action == Action.TAKE else meta.request
    try:
        call(page.page_token or "", page.page_id, psid)
    except GraphError as error:
        logger.warning("The %s was refused: %s", row, error)
        return error
    except Exception as error:
        logger.exception("The %s could not be sent", row)
        return error
    return None


def _record(row: ThreadControlRequest, error: Exception | None) -> None:
    """Write the outcome of a call to its row, and to the Page when the error concerns it."""
    if error is None:
        _write(row, State.TOLD, took_effect=True)
        return
    if not isinstance(error, GraphError):
        _write(row, State.REFUSED, INTERNAL_ERROR)
        return
    page, verdict = row.conversation.channel.page, error.verdict
    pause = sending.retry_pause(row.attempts, settings.DESK_RETRY_BASE_SECONDS)
    page_errors.record(page, error, Call.BACKGROUND, token=page.page_token, pause=pause)
    if verdict.retry or verdict.outcome_unknown:
        if row.attempts < MAX_ATTEMPTS:
            _write(row, State.WAITING, again_after=pause)
        else:
            _write(row, State.REFUSED, NO_ANSWER)
        return
    _write(row, State.REFUSED, verdict.sentence)


def _write(
    row: ThreadControlRequest,
    state: str,
    reason: str = "",
    again_after: timedelta | None = None,
    took_effect: bool = False,
) -> None:
    """Write the outcome to a claimed row; a newer request stays as it is and is sent next."""
    conversation, now = row.conversation, timezone.now()
    with transaction.atomic():
        messages.lock(conversation)
        due_at = None if again_after is None else now + again_after
        if not requests.finish(row, state=state, reason=reason, due_at=due_at):
            wake.wake(JOB)
        if took_effect:
            _add_event(row, conversation)
        messages.announce(conversation)


def _add_event(row: ThreadControlRequest, conversation: Conversation) -> None:
    """Add the line that says who took or requested control; after a take the conversation is ours."""
    owner, author = owner_name(conversation) or sentence("another app"), row.author or sentence("A former colleague")
    if row.action == Action.TAKE:
        kind = "handover"
        line = sentence(
            "%(author_text)s took control of the conversation from %(owner_text)s", author_text=author, owner_text=owner
        )
        conversation.thread_owner_app_id = ""
        conversation.save(update_fields=["thread_owner_app_id"])
    else:
        kind = "control_requested"
        line = sentence(
            "%(author_text)s requested control of the conversation from %(owner_text)s",
            author_text=author,
            owner_text=owner,
        )
    messages.add_message(
        conversation,
        direction=Message.Direction.OUT,
        kind=Message.Kind.EVENT,
        source=Message.Source.SYSTEM,
        author=row.author,
        card={"kind": kind, "title": line, "text": "", "url": None},
        sent_at=now_ms(),
        state=Message.State.SENT,
    )

"""What recovery and history import share: reading a conversation's older messages, and what errors of Meta mean."""

from collections.abc import Callable, Iterator
from datetime import datetime, timedelta

from django.utils import timezone
from django.views.decorators.debug import sensitive_variables

from channels_im.messenger import conversations
from channels_im.messenger.errors import GraphError
from channels_im.messenger.graph_messages import GraphConversation, GraphMessage
from channels_im.messenger.verdicts import ErrorKind
from channels_im.models import Page
from channels_im.models.conversation_reading import ConversationReading
from channels_im.services.facebook import pace, page_errors
from channels_im.services.facebook.page_errors import Call
from desk.backoff import delay_after
from desk.sentences import sentence

MAX_LISTS = 10  # result pages with ids of one conversation: about 1000 messages
LIMIT_PAUSE = timedelta(minutes=1)
REAUTH_PAUSE = timedelta(minutes=10)
TOO_MUCH_DATA = frozenset({1, -3})
OUR_FAULT = sentence("Something went wrong in Desk itself; the log has the details.")


class ClaimLostError(Exception):
    """Another worker has the run, or it was paused or ended; what this one did since is rolled back."""


@sensitive_variables("token")
def older_messages(
    page: Page, conversation: GraphConversation, since: datetime, token: str, *, before_call: Callable[[], None]
) -> Iterator[GraphMessage]:
    """Yield ids and times of the messages since then that are older than those with details, newest first."""
    if not conversation.is_cut or not conversation.messages:
        return
    known = {message.mid for message in conversation.messages}
    oldest = conversation.messages[-1].created_at
    after: str | None = None
    for _ in range(MAX_LISTS):
        before_call()
        pace.wait_for_turn(page.pk)
        listed = conversations.list_messages(conversation.id, page.page_id, token, after=after)
        for message in listed.messages:
            if message.mid not in known and since <= message.created_at <= oldest:
                known.add(message.mid)
                yield message
        after = listed.after
        if after is None or any(message.created_at < since for message in listed.messages):
            return


def fields_after(run: ConversationReading, error: GraphError) -> dict[str, object]:
    """Return what to write to a run after an error of Meta: it waits, or has failed.

    What the error means for the Page is recorded as for any background call.
    """
    verdict, now = error.verdict, timezone.now()
    page_errors.record(run.page, error, Call.BACKGROUND, token=run.page.page_token, pause=LIMIT_PAUSE)
    size = run.page_size or conversations.CONVERSATIONS_PER_CALL
    delay = delay_after(run.attempts)
    fields: dict[str, object] = {"state": "waiting", "error": verdict.sentence}
    if verdict.kind is ErrorKind.RATE_LIMITED:
        # The Page's limit says when to go on; replies are not limited by it.
        return fields | {"attempts": 0}
    if verdict.reason is not None:
        return fields | {"attempts": 0, "retry_after": now + REAUTH_PAUSE}
    if error.code in TOO_MUCH_DATA and size > 1 and delay is not None:
        return fields | {"page_size": size // 2, "retry_after": now + delay}
    if verdict.is_temporary:
        return fields_later(run, verdict.sentence)
    if run.cursor and run.attempts <= 1:
        # A cursor does not live for ever: begin again, since what was read is known.
        return fields | {"retry_after": None, "cursor": "", "handled": []}
    return fields_failed(verdict.final_sentence)


def fields_later(run: ConversationReading, sentence: str) -> dict[str, object]:
    """Return what to write to a run that is tried again after a pause; after its last attempt it has failed."""
    delay = delay_after(run.attempts)
    if delay is None:
        return fields_failed(sentence)
    return {"state": "waiting", "retry_after": timezone.now() + delay, "error": sentence}


def fields_failed(sentence: str) -> dict[str, object]:
    """Return what to write to a run that has failed."""
    return {"state": "failed", "finished_at": timezone.now(), "cursor": "", "handled": [], "error": sentence}

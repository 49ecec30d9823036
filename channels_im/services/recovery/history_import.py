"""Import the history of a channel: what was written to its Page before it was created. In pieces of a few calls.

First the conversations of that time are counted, then read, the last changed ones first. Live messages are never
touched: only what is older than the channel is imported. Progress is saved with each conversation, so that an import
that is killed goes on where it stopped.
"""

import logging
import time
from datetime import datetime, timedelta

from django.db import connection, transaction
from django.db.models import Exists, F, OuterRef, Q, QuerySet
from django.utils import timezone
from django.views.decorators.debug import sensitive_variables

from channels_im.messenger import conversations
from channels_im.messenger.conversations import ConversationList
from channels_im.messenger.errors import GraphError
from channels_im.messenger.graph_messages import GraphConversation
from channels_im.models import Channel, HistoryImport, Page, RecoveryRun, WebhookDelivery
from channels_im.services.facebook import history_requests, pace, page_errors, recovery_requests
from channels_im.services.journal import mentions, store
from channels_im.services.recovery import reading
from channels_im.services.recovery.reading import ClaimLostError
from channels_im.services.recovery.writer import write_missed
from desk import audit_log
from desk.backoff import delay_after
from desk.claims import Claims
from desk.live import publish
from desk.queue import enqueue
from desk.sentences import sentence

logger = logging.getLogger(__name__)

MAX_PIECE_S = 3
#: While this many result pages are not enough, the total is given as "more than".
MAX_COUNTED_PAGES = 20
#: A conversation moves to the front of the list when it changes, past the place where the import reads.
MAX_PASSES = 5
JOURNAL_PAUSE = timedelta(seconds=1)
WORKER_DIED = sentence(
    "The worker died several times at the same place. Start the import again; what was imported stays."
)
SOURCE = WebhookDelivery.Source.IMPORTED

State = HistoryImport.State
claims = Claims(HistoryImport, waiting=State.WAITING, claimed=State.RUNNING)


def due() -> QuerySet[HistoryImport, HistoryImport]:
    """Return the imports that may go on now: the channel is active, the Page connected, not limited, not recovered."""
    now = timezone.now()
    active = Channel.objects.existing().filter(pk=OuterRef("channel"), is_active=True)
    recovery = RecoveryRun.objects.filter(
        Q(retry_after=None) | Q(retry_after__lte=now), page=OuterRef("page"), state__in=recovery_requests.OPEN
    )
    return HistoryImport.objects.filter(
        Q(retry_after=None) | Q(retry_after__lte=now),
        page_errors.background_allowed("page__"),
        Exists(active),
        ~Exists(recovery),
        state=State.WAITING,
        page__connection=Page.Connection.CONNECTED,
    )


def is_due() -> bool:
    """Return whether any import may go on now, and no worker reads already: the others are free for replies."""
    is_reading = RecoveryRun.objects.filter(state=RecoveryRun.State.RUNNING).exists()
    return due().exists() and not is_reading and not HistoryImport.objects.filter(state=State.RUNNING).exists()


def drain_history_imports() -> int:
    """Do one piece of one import; return 1, or 0 when none is due. Enqueues itself while imports are due."""
    if not is_due():
        return 0
    order = ("attempts", F("retry_after").asc(nulls_first=True), "pk")
    pk = due().order_by(*order).values_list("pk", flat=True).first()
    claimed = claims.claim([pk] if pk is not None else [])
    for row in claimed:
        if delay_after(row.attempts) is None:
            _give_back(row, reading.fields_failed(WORKER_DIED))
            continue
        try:
            _Piece(row).work()
        except ClaimLostError:
            logger.info("History import %s was paused, ended or taken over by another worker", row.pk)
        except GraphError as error:
            logger.warning("History import of Page %s: %s", row.page.page_id, error)
            _give_back(row, reading.fields_after(row, error))
        except Exception:
            if not connection.is_usable():
                raise
            logger.exception("History import %s failed", row.pk)
            _give_back(row, reading.fields_later(row, reading.OUR_FAULT))
    if is_due():
        enqueue(history_requests.TASK)
    return len(claimed)


class _Piece:
    """One piece of a claimed import."""

    def __init__(self, row: HistoryImport) -> None:
        self.row, self.page = row, row.page
        self._began = self._renewed = time.monotonic()

    def work(self) -> None:
        """Count or read one result page of conversations, as many of them as there is time for."""
        row, token = self.row, self.page.page_token
        if not token:
            self._give_back(retry_after=timezone.now() + reading.REAUTH_PAUSE)
        elif store.has_untried(timezone.now(), source=SOURCE):
            # What was read last is to be processed first: live messages wait for a few conversations at most.
            self._give_back(retry_after=timezone.now() + JOURNAL_PAUSE)
        elif not row.is_counted:
            self._count(token)
        else:
            self._read(token)

    @sensitive_variables("token")
    def _count(self, token: str) -> None:
        """Count the conversations of one result page that changed since then."""
        row = self.row
        pace.wait_for_turn(self.page.pk)
        limit = row.page_size or conversations.IDS_PER_CALL
        listed = conversations.list_changes(self.page.page_id, token, after=row.cursor or None, limit=limit)
        changed = _changed_since(listed, row.since)
        total = row.total_count + len(changed)
        is_last = listed.after is None or len(changed) < len(listed.conversations)
        is_enough = total >= MAX_COUNTED_PAGES * conversations.IDS_PER_CALL
        counted = is_last or is_enough or not changed
        self._give_back(
            cursor="" if counted else listed.after,
            total_count=total,
            is_counted=counted,
            is_total_lower_bound=counted and not is_last,
        )

    @sensitive_variables("token")
    def _read(self, token: str) -> None:
        """Import one result page of conversations with their newest messages."""
        row = self.row
        if not row.cursor and not row.handled:
            row.pass_began_at = timezone.now()
        since = max(row.since, row.changed_since or row.since)
        pace.wait_for_turn(self.page.pk)
        limit = row.page_size or conversations.CONVERSATIONS_PER_CALL
        listed = conversations.list_conversations(self.page.page_id, token, after=row.cursor or None, limit=limit)
        changed = _changed_since(listed, since)
        for conversation in changed:
            digest = mentions.digest_of(conversation.id)
            if digest in row.handled:
                continue
            if time.monotonic() - self._began >= MAX_PIECE_S:
                self._give_back(pass_began_at=row.pass_began_at)
                return
            self._import(conversation, digest, token)
        if listed.after is not None and changed:
            self._give_back(cursor=listed.after, handled=[], pass_began_at=row.pass_began_at)
        elif row.cursor and row.passes + 1 < MAX_PASSES:
            began_at = row.pass_began_at or row.created_at
            self._give_back(cursor="", handled=[], passes=row.passes + 1, changed_since=began_at - store.MAX_CLOCK_SKEW)
        else:
            self._finish()

    @sensitive_variables("token")
    def _import(self, conversation: GraphConversation, digest: int, token: str) -> None:
        """Write what is from before the channel to the journal, together with the progress. Raises ClaimLostError."""
        row = self.row
        shown = list(conversation.messages)
        if shown and shown[-1].created_at >= row.since:
            shown += reading.older_messages(self.page, conversation, row.since, token, before_call=self._renew)
        shown = [message for message in shown if row.since <= message.created_at < row.until]
        with transaction.atomic():
            # Whoever pauses or cancels waits for this row, and this waits for them.
            if not claims.held([row]).select_for_update().exists():
                raise ClaimLostError
            written = write_missed(self.page, conversation.psid, shown, SOURCE) if conversation.psid else None
            inserted = written.inserted if written else 0
            beyond_reach = written.beyond_reach if written else 0
            row.handled = [*row.handled, digest]
            row.conversation_count += not row.passes or inserted + beyond_reach > 0
            row.inserted_count += inserted
            row.beyond_reach_count += beyond_reach
            times = [message.created_at for message in shown if message.has_details]
            if inserted and (row.oldest_at is None or min(times) < row.oldest_at):
                row.oldest_at = min(times)
            self._save()

    def _renew(self) -> None:
        if time.monotonic() - self._renewed >= claims.renewal_s():
            self._renewed = time.monotonic()
            if not claims.renew([self.row]):
                raise ClaimLostError

    def _save(self) -> None:
        names = ("pass_began_at", "handled", "conversation_count", "inserted_count", "beyond_reach_count", "oldest_at")
        if not claims.held([self.row]).update(**{name: getattr(self.row, name) for name in names}):
            raise ClaimLostError

    def _give_back(self, retry_after: datetime | None = None, **fields: object) -> None:
        """Save the progress and free the import for its next piece."""
        claims.finish(self.row, state=State.WAITING, retry_after=retry_after, attempts=0, error="", **fields)

    def _finish(self) -> None:
        if not _end(self.row, {"state": State.DONE, "error": "", "attempts": 0, "finished_at": timezone.now()}):
            raise ClaimLostError


def _changed_since(listed: ConversationList, since: datetime) -> list[GraphConversation]:
    return [one for one in listed.conversations if not conversations.is_older(one, since)]


def _give_back(row: HistoryImport, fields: dict[str, object]) -> None:
    """Let the import wait or fail, after an error."""
    if fields["state"] == State.FAILED:
        _end(row, fields)
        return
    if fields.get("cursor") == "":
        # It begins again: what was counted so far is counted again.
        fields |= {"conversation_count": 0} if row.is_counted and not row.passes else {}
        fields |= {} if row.is_counted else {"total_count": 0}
    claims.finish(row, **fields)


def _end(row: HistoryImport, fields: dict[str, object]) -> bool:
    """End the import with these values and tell the history; return False when it was ended or taken over before."""
    with transaction.atomic():
        if not claims.finish(row, **(fields | {"cursor": "", "handled": [], "retry_after": None})):
            return False
        audit_log.record(audit_log.SYSTEM, row.channel, audit_log.CHANGE, _end_sentence(row, fields))
        publish.announce("channel", channel=row.channel_id)
    logger.info(
        "History import of Page %s ended: %s conversations read, %s messages imported, %s out of reach",
        row.page.page_id,
        row.conversation_count,
        row.inserted_count,
        row.beyond_reach_count,
    )
    return True


def _end_sentence(row: HistoryImport, fields: dict[str, object]) -> str:
    counts = {"read": row.conversation_count, "imported": row.inserted_count, "beyond": row.beyond_reach_count}
    if fields["state"] == State.DONE:
        return sentence(
            "The import of the history was completed. Conversations read: %(read)s. Messages imported: %(imported)s. "
            "Messages out of reach: %(beyond)s.",
            **counts,
        )
    return sentence(
        "The import of the history has failed: %(why_text)s Conversations read: %(read)s. "
        "Messages imported: %(imported)s. Messages out of reach: %(beyond)s.",
        why_text=f"{str(fields['error']).rstrip('.')}.",
        **counts,
    )

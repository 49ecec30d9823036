"""Run the recovery of a Page: read its changed conversations from Meta, in pieces of a few calls.

A piece is claimed like any work of the worker. What it has written to the journal and how far it has come are one
transaction for each conversation, so that a run which is killed goes on where it stopped.
"""

import logging
import time
from datetime import datetime, timedelta

from django.db import connection, transaction
from django.db.models import Exists, F, OuterRef, Q, QuerySet
from django.utils import timezone
from django.views.decorators.debug import sensitive_variables

from channels_im.messenger import conversations
from channels_im.messenger.errors import GraphError
from channels_im.messenger.graph_messages import GraphConversation
from channels_im.models import Channel, Page, PageRecovery, RecoveryRun
from channels_im.services.facebook import pace, page_errors, recovery_requests
from channels_im.services.journal import mentions, store
from channels_im.services.recovery import reading
from channels_im.services.recovery.reading import OUR_FAULT, REAUTH_PAUSE, ClaimLostError
from channels_im.services.recovery.writer import write_missed
from desk.backoff import delay_after
from desk.claims import Claims
from desk.live import publish
from desk.queue import enqueue
from desk.sentences import sentence

logger = logging.getLogger(__name__)

MAX_PIECE_S = 3
JOURNAL_PAUSE = timedelta(seconds=2)
#: After so long a run no longer waits until what came by webhook is processed.
LONGEST_JOURNAL_WAIT = timedelta(minutes=10)
KEEP_FOR = timedelta(days=90)
KILLED = sentence("The worker was ended again and again while it recovered messages. The log has the details.")

State = RecoveryRun.State
claims = Claims(RecoveryRun, waiting=State.WAITING, claimed=State.RUNNING)


def due() -> QuerySet[RecoveryRun, RecoveryRun]:
    """Return the runs that may go on now: of Pages with an active channel that are connected and not rate limited."""
    active = Channel.objects.existing().filter(page=OuterRef("page"), is_active=True)
    return RecoveryRun.objects.filter(
        Q(retry_after=None) | Q(retry_after__lte=timezone.now()),
        page_errors.background_allowed("page__"),
        Exists(active),
        state=State.WAITING,
        page__connection=Page.Connection.CONNECTED,
    )


def is_due() -> bool:
    """Return whether any run may go on now, and no worker is at another one: the others are free for replies."""
    return due().exists() and not RecoveryRun.objects.filter(state=State.RUNNING).exists()


def drain_recovery() -> int:
    """Do one piece of one run; return 1, or 0 when none is due. Enqueues itself while runs are due."""
    if not is_due():
        return 0
    pk = due().order_by("attempts", F("retry_after").asc(nulls_first=True), "pk").values_list("pk", flat=True).first()
    claimed = claims.claim([pk] if pk is not None else [])
    for run in claimed:
        if delay_after(run.attempts) is None:
            _give_back(run, reading.fields_failed(KILLED))
            continue
        try:
            _Piece(run).work()
        except ClaimLostError:
            logger.info("Recovery %s was taken over by another worker", run.pk)
        except GraphError as error:
            logger.warning("Recovery of Page %s: %s", run.page.page_id, error)
            _give_back(run, reading.fields_after(run, error))
        except Exception:
            if not connection.is_usable():
                raise
            logger.exception("Recovery %s failed", run.pk)
            _give_back(run, reading.fields_later(run, OUR_FAULT))
    if is_due():
        enqueue(recovery_requests.TASK)
    return len(claimed)


class _Piece:
    """One piece of a claimed run."""

    def __init__(self, run: RecoveryRun) -> None:
        self.run = run
        self.page = run.page
        self._began = self._renewed = time.monotonic()

    @sensitive_variables("token")
    def work(self) -> None:
        """Read one result page of conversations, as many of them as there is time for."""
        run, token = self.run, self.page.page_token
        channel = Channel.objects.existing().filter(page=self.page, is_active=True).first()
        if channel is None or not token:
            self._give_back(retry_after=timezone.now() + REAUTH_PAUSE)
            return
        if run.until is None and self._must_wait_for_journal():
            self._give_back(retry_after=timezone.now() + JOURNAL_PAUSE)
            return
        run.until = run.until or timezone.now()
        since = max(run.since, channel.created_at.replace(microsecond=0))
        pace.wait_for_turn(self.page.pk)
        listed = conversations.list_conversations(
            self.page.page_id,
            token,
            after=run.cursor or None,
            limit=run.page_size or conversations.CONVERSATIONS_PER_CALL,
        )
        changed = [one for one in listed.conversations if not conversations.is_older(one, since)]
        for conversation in changed:
            digest = mentions.digest_of(conversation.id)
            if digest in run.handled:
                continue
            if time.monotonic() - self._began >= MAX_PIECE_S:
                self._give_back()
                return
            self._recover(conversation, digest, since, token)
        if listed.after is None or not changed:
            self._finish()
        else:
            self._give_back(cursor=listed.after, handled=[])

    def _must_wait_for_journal(self) -> bool:
        """Return whether webhooks that came before this run wait: what they bring must not be recovered as well."""
        run = self.run
        return timezone.now() < run.created_at + LONGEST_JOURNAL_WAIT and store.has_untried(run.created_at)

    @sensitive_variables("token")
    def _recover(self, conversation: GraphConversation, digest: int, since: datetime, token: str) -> None:
        """Write what is missing of one conversation, together with the progress. Raises ClaimLostError."""
        run = self.run
        shown = [message for message in conversation.messages if message.created_at >= since]
        if len(shown) == len(conversation.messages):
            shown += reading.older_messages(self.page, conversation, since, token, before_call=self._renew)
        with transaction.atomic():
            written = write_missed(self.page, conversation.psid, shown) if conversation.psid else None
            run.handled = [*run.handled, digest]
            run.read_count += len(shown)
            if written is not None:
                run.inserted_count += written.inserted
                run.beyond_reach_count += written.beyond_reach
            self._save()

    def _renew(self) -> None:
        if time.monotonic() - self._renewed >= claims.renewal_s():
            self._renewed = time.monotonic()
            if not claims.renew([self.run]):
                raise ClaimLostError

    def _save(self) -> None:
        run = self.run
        fields = ("until", "handled", "read_count", "inserted_count", "beyond_reach_count")
        if not claims.held([run]).update(**{name: getattr(run, name) for name in fields}):
            raise ClaimLostError

    def _give_back(self, retry_after: datetime | None = None, **fields: object) -> None:
        """Save the progress and free the run for its next piece."""
        fields |= {"until": self.run.until, "attempts": 0, "error": ""}
        claims.finish(self.run, state=State.WAITING, retry_after=retry_after, **fields)

    def _finish(self) -> None:
        """End the run, or begin it again when it was requested meanwhile."""
        run, now = self.run, timezone.now()
        anew = {"cursor": "", "handled": [], "is_requested_again": False, "attempts": 0, "error": ""}
        with transaction.atomic():
            recovery = PageRecovery.objects.select_for_update().get(page=self.page)
            if claims.held([run]).filter(is_requested_again=True).exists():
                claims.finish(run, state=State.WAITING, retry_after=None, until=None, **anew)
                return
            if not claims.finish(run, state=State.DONE, retry_after=None, finished_at=now, until=run.until, **anew):
                raise ClaimLostError
            until = run.until or now
            if recovery.complete_until is None or recovery.complete_until < until:
                recovery.complete_until = until
                recovery.save(update_fields=["complete_until"])
            RecoveryRun.objects.filter(page=self.page, finished_at__lt=now - KEEP_FOR).delete()
            _announce(self.page)
        logger.info(
            "Recovery of Page %s: %s read, %s inserted, %s beyond reach",
            self.page.page_id,
            run.read_count,
            run.inserted_count,
            run.beyond_reach_count,
        )


def _give_back(run: RecoveryRun, fields: dict[str, object]) -> None:
    """Let the run wait or fail, after an error."""
    claims.finish(run, **fields)
    if fields["state"] == State.FAILED:
        _announce(run.page)


def _announce(page: Page) -> None:
    for channel in Channel.objects.existing().filter(page=page):
        publish.announce("channel", channel=channel.pk)

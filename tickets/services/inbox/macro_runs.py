"""Run a macro on a conversation: all of its actions, or none.

A run calls the services of the single actions, so that each right and each rule is checked there as ever. It does so in
one transaction that holds the conversation's lock; when one action is refused, everything is rolled back. A preview is
a run that is always rolled back: it says exactly what a run would do and what would be refused.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import timedelta, tzinfo
from typing import Any

from django.db import transaction
from django.utils import timezone

from desk.errors import Refused
from desk.models import Department, User
from desk.sentences import sentence
from desk.text import cut
from tickets.models import Conversation, Macro, MacroRun, Message, Ticket
from tickets.rules import macros as rules
from tickets.rules.macros import Action, Do, To
from tickets.rules.sending import Refusal
from tickets.services import by_macro
from tickets.services.conversation import access, messages
from tickets.services.inbox import actions, canned_replies, macro_words, macros, read_marks, snoozes, ticket_facts
from tickets.services.outgoing import replies
from tickets.services.outgoing.collision import AnsweredMeanwhileError, author_in_words

CLEANING_TASK = "tickets.tasks.delete_old_macro_runs"
KEPT_FOR = timedelta(days=1)
NOT_VISIBLE = sentence("You can no longer see this conversation.")
CHANGED = sentence("Somebody has changed this macro meanwhile. Look at what it does now, then run it again.")
NOT_SEEN_AFTERWARDS = sentence(
    "After this you would no longer be an agent of this conversation, and the reply could not be sent."
)


@dataclass(frozen=True)
class Step:
    """One action of a run. `will` and `done` say it in words, `text` is that of a reply or note for this customer.

    `refusal` says why it is not possible, "" when it is.
    """

    action: Action
    will: str
    done: str
    text: str = ""
    refusal: str = ""


class MacroRefusedError(Refused):
    """A macro of which something is not possible; nothing was done. `steps` are all of its actions."""

    def __init__(self, macro: Macro, steps: list[Step]) -> None:
        self.steps = steps
        reasons = [
            sentence("Not possible: %(action_text)s. %(reason_text)s", action_text=step.will, reason_text=step.refusal)
            for step in steps
            if step.refusal
        ]
        #: The first action that is not possible, and why.
        self.first = reasons[0]
        words = sentence("The macro “%(name)s” was not run.", name=macro)
        super().__init__(" ".join([words, *reasons]), Refusal.NOT_POSSIBLE)  # English: pages show the steps


@dataclass
class _Run:
    """What a run knows while its actions are done one after the other."""

    user: User
    conversation: Conversation
    zone: tzinfo
    names: macros.Known
    facts: Mapping[str, str]
    reply_text: str | None = None
    reply_key: str | None = None
    seen: int | None = None

    def __post_init__(self) -> None:
        self.message_ids: list[int] = []

    def step(self, action: Action) -> Step:
        """Return the action in words, with its text for this customer."""
        text = canned_replies.fill(action.text, dict(self.facts)) if action.text else ""
        if action.do is Do.REPLY and self.reply_text is not None:
            text = self.reply_text
        words = macro_words.words(action, self.names, text)
        return Step(action, words.will, words.done, text if action.do in (Do.REPLY, Do.NOTE, Do.SUBJECT) else "")

    def attempt(self, step: Step) -> Step:
        """Do the action in a savepoint; return the step, with the reason when it was refused."""
        try:
            with transaction.atomic():
                self._do(step)
        except Refused as refused:
            return replace(step, refusal=refused.sentence.removesuffix(f" {actions.NOTHING_CHANGED}"))
        except AnsweredMeanwhileError as meanwhile:
            who, text = author_in_words(meanwhile.message), cut(meanwhile.message.text, 200)
            refusal = sentence("%(who_text)s has replied meanwhile: “%(text)s”", who_text=who, text=text)
            return replace(step, refusal=refusal)
        return step

    def _do(self, step: Step) -> None:
        user, conversation, action = self.user, self.conversation, step.action
        change = ticket_facts.Changes
        match action.do:
            case Do.REPLY:
                parts = replies.queue_reply(
                    user, conversation, text=step.text, client_key=self.reply_key, seen=self.seen
                )
                self.message_ids += [part.pk for part in parts]
            case Do.NOTE:
                actions.add_note(user, conversation, step.text)
            case Do.ASSIGN:
                self._assign(action)
            case Do.PRIORITY:
                ticket_facts.change(user, conversation, change(priority=action.value))
            case Do.ADD_LABELS:
                ticket_facts.change(user, conversation, change(add=action.labels))
            case Do.REMOVE_LABELS:
                ticket_facts.change(user, conversation, change(remove=action.labels))
            case Do.SUBJECT:
                ticket_facts.change(user, conversation, change(subject=step.text))
            case Do.SNOOZE:
                snoozes.snooze_by_choice(user, conversation, action.value, "", self.zone)
            case Do.REOPEN:
                actions.reopen(user, conversation)
            case Do.CLOSE:
                actions.close(user, conversation)
            case Do.UNREAD:
                read_marks.mark_unread(conversation)

    def _assign(self, action: Action) -> None:
        if action.to is To.DEPARTMENT:
            department = Department.objects.get(pk=action.target or 0)  # it exists: problems_of was asked
            if department.pk != self.conversation.department_id:  # a macro for several departments
                actions.transfer(self.user, self.conversation, department)
            return
        assignee = {To.ME: self.user, To.NOBODY: None}.get(action.to or To.NOBODY)
        if action.to is To.AGENT:
            assignee = User.objects.get(pk=action.target or 0)
        actions.assign(self.user, self.conversation, assignee)


def preview(
    user: User, conversation: Conversation, macro: Macro, zone: tzinfo, *, reply_text: str | None = None
) -> list[Step]:
    """Return the steps of a run with what would be refused. Changes nothing. Raises Refused when none is possible.

    `reply_text` replaces the text of the reply, with its placeholders replaced already.
    """
    with transaction.atomic():
        current = _lock(user, conversation, macro)
        _run, steps = _attempt(user, conversation, current, zone, reply_text, None, None)
        transaction.set_rollback(True)
    conversation.refresh_from_db()  # what is in memory was rolled back, too
    return steps


def run(
    user: User,
    conversation: Conversation,
    macro: Macro,
    zone: tzinfo,
    *,
    reply_text: str | None = None,
    client_key: str | None = None,
    seen: int | None = None,
    shown: str = "",
) -> MacroRun:
    """Run a macro: all of its actions, or none. The same `client_key` again returns the first run. Raises Refused.

    `seen` is the id of the newest message that the page shows, `shown` the fingerprint of the actions that it shows.
    Raises MacroRefusedError with every action when one of them is refused.
    """
    key = replies.stored_key(client_key)
    with transaction.atomic():
        messages.lock(conversation)
        if key and (known := MacroRun.objects.filter(conversation=conversation, user=user, client_key=key).first()):
            return known
        current = _lock(user, conversation, macro)
        if shown and shown != macros.fingerprint(current):
            raise Refused(CHANGED, Refusal.NOT_POSSIBLE)
        before = state_of(conversation)
        doing, steps = _attempt(user, conversation, current, zone, reply_text, key, seen)
        if any(step.refusal for step in steps):
            raise MacroRefusedError(current, steps)
        made = MacroRun.objects.create(
            macro=current,
            name=current.name,
            conversation=conversation,
            user=user,
            client_key=key or "",
            done=[step.done for step in steps],
            before=before,
            after=state_of(conversation),
            messages=doing.message_ids,
        )
        macros.count_use(current)
    return made


def _lock(user: User, conversation: Conversation, macro: Macro) -> Macro:
    """Lock the conversation and return the macro as it is now. Raises Refused when the user may not run it here."""
    messages.lock(conversation)
    facts = access.facts_for(user)
    if not access.visible(facts, access.ids_of(conversation)):
        raise Refused(NOT_VISIBLE, Refusal.NOT_ASSOCIATED)
    access.require_work(facts, conversation)
    current = macros.usable(user, conversation).filter(pk=macro.pk).first()
    if current is None:
        if not Macro.objects.filter(pk=macro.pk).exists():
            raise Refused(macros.GONE, Refusal.NOT_POSSIBLE)
        raise Refused(sentence("This macro is for another department."), Refusal.NOT_POSSIBLE)
    if found := macros.problems_of(current):
        refusal = sentence(
            "The macro “%(name)s” cannot run until it is corrected. %(reason_text)s",
            name=current,
            reason_text=found[0].sentence,
        )
        raise Refused(refusal, Refusal.NOT_POSSIBLE)
    return current


def _attempt(
    user: User,
    conversation: Conversation,
    macro: Macro,
    zone: tzinfo,
    reply_text: str | None,
    key: str | None,
    seen: int | None,
) -> tuple[_Run, list[Step]]:
    """Do all actions, also those after a refused one. The caller holds the lock, and rolls back after a refusal."""
    parsed = rules.parse(macro.actions)
    facts = canned_replies.facts(user, conversation)
    reply_key = f"macro {key}" if key else None
    doing = _Run(user, conversation, zone, macros.known([parsed]), facts, reply_text, reply_key, seen)
    listed = [doing.step(action) for action in parsed]
    with by_macro.running(macro.pk, macro.name):
        if any(step.action.do in (Do.REPLY, Do.NOTE, Do.UNREAD) for step in listed):
            # These leave no line of their own that could name the macro.
            line = sentence("%(user)s ran the macro “%(name)s”", user=user, name=macro)
            _add_line(user, conversation, line)
        steps = [doing.attempt(step) for step in listed]
    messages.lock(conversation)
    if not access.may_work_in(access.facts_for(user), conversation):
        steps = [
            replace(step, refusal=NOT_SEEN_AFTERWARDS) if step.action.do is Do.REPLY and not step.refusal else step
            for step in steps
        ]
    return doing, steps


def _add_line(user: User, conversation: Conversation, line: str) -> None:
    with by_macro.no_words():
        actions.add_event(conversation, user, "macro", line)


def state_of(conversation: Conversation) -> dict[str, Any]:
    """Return the values that an undo puts back, of a conversation that was locked and read just now. JSON."""
    ticket = Ticket.objects.filter(pk=conversation.current_ticket_id or 0).first()
    until, transferred = conversation.snoozed_until, conversation.transferred_at
    return {
        "assignee": conversation.assignee_id,
        "department": conversation.department_id,
        "transferred_at": transferred.isoformat() if transferred else None,
        "is_open": conversation.is_open,
        "is_snoozed": conversation.is_snoozed,
        "snoozed_until": until.isoformat() if until else None,
        "unread": conversation.unread_count,
        "ticket": ticket.pk if ticket else None,
        "priority": ticket.priority if ticket else None,
        "subject": ticket.subject if ticket else None,
        "subject_is_own": ticket.subject_is_own if ticket else False,
        "labels": sorted(ticket.labels.values_list("pk", flat=True)) if ticket else [],
    }


def newest_message(conversation: Conversation) -> int:
    """Return the id of the newest message of the conversation, 0 when it has none."""
    return Message.objects.filter(conversation=conversation).order_by("-pk").values_list("pk", flat=True).first() or 0


def delete_old() -> int:
    """Delete the runs that are too old to be undone or repeated by mistake; return how many."""
    return MacroRun.objects.filter(created_at__lt=timezone.now() - KEPT_FOR).delete()[0]

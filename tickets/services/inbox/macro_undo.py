"""Undo a run of a macro: put back each value that nobody has changed since. What was changed since stays, and is named.

The values before and after the run are in its row (`macro_runs.state_of`). A reply is withdrawn while it is in the
outbox: the worker claims replies under the conversation's lock, which the undo holds, so that a reply is either
withdrawn or sent, never both.
"""

from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from django.db import transaction
from django.utils import timezone

from desk.errors import Refused
from desk.models import Department, User
from desk.sentences import sentence
from tickets.models import Conversation, EventType, Label, MacroRun, Message, Ticket
from tickets.rules import macros as rules
from tickets.rules.macros import Do
from tickets.services import by_macro
from tickets.services.conversation import access, messages
from tickets.services.inbox import actions, labels, macro_runs, snoozes, ticket_facts
from tickets.services.outgoing import undelivered
from tickets.services.webhooks import events

UNDO_FOR = timedelta(minutes=10)
TOO_LATE = sentence("This can no longer be undone.")


@dataclass
class Undone:
    """What an undo put back, and what it left as it is, in words of desk.sentences."""

    name: str
    done: list[str] = field(default_factory=list)
    kept: list[str] = field(default_factory=list)


def get_run(user: User, conversation_id: int, run_id: int) -> MacroRun | None:
    """Return the user's own run on this conversation, while it can be undone."""
    runs = MacroRun.objects.select_related("conversation__contact", "conversation__channel", "macro")
    runs = runs.filter(user=user, conversation=conversation_id, undone_at=None)
    return runs.filter(pk=run_id, created_at__gte=timezone.now() - UNDO_FOR).first()


def undo(user: User, run: MacroRun) -> Undone:
    """Undo the run, which `get_run` returned; return what was put back and what was not. Raises Refused."""
    conversation = run.conversation
    with transaction.atomic():
        messages.lock(conversation)
        still = MacroRun.objects.filter(pk=run.pk, undone_at=None, created_at__gte=timezone.now() - UNDO_FOR)
        if not still.update(undone_at=timezone.now()):
            raise Refused(TOO_LATE)
        undoing = _Undo(user, conversation, run)
        undoing.require_access()
        with by_macro.undoing(run.macro_id, run.name):
            line = sentence("%(user)s undid the macro “%(name)s”", user=user, name=run.name)
            with by_macro.no_words():
                actions.add_event(conversation, user, "macro", line)
            undoing.all()
        messages.announce(conversation)
    return undoing.result


class _Undo:
    def __init__(self, user: User, conversation: Conversation, run: MacroRun) -> None:
        self.user, self.conversation, self.run = user, conversation, run
        self.before, self.after = run.before, run.after
        self.now = macro_runs.state_of(conversation)
        self.result = Undone(run.name)

    def require_access(self) -> None:
        """Raise Refused unless the user is an agent of the conversation, or was one before this run.

        Somebody who only reads it, because a note mentions them, cannot undo what they did as its agent.
        """
        facts = access.facts_for(self.user).own
        ids = access.ids_of(self.conversation)
        saw = {
            **ids,
            "assignee": self.before["assignee"],
            "department": self.before["department"],
            "transferred": self.before["transferred_at"] is not None,
        }
        if not access.visible(facts, ids) and not (
            self._is_as_left("assignee", "department") and access.visible(facts, saw)
        ):
            raise Refused(macro_runs.NOT_VISIBLE)

    def all(self) -> None:
        """Put back everything, in an order in which no step undoes another one."""
        if self._may_put_back(sentence("the ticket"), "is_open", "ticket") and self.before["is_open"]:
            actions.reopen(self.user, self.conversation)
            self._did(sentence("reopened"))
        self._department()
        self._assignee()
        self._reply()
        self._ticket()
        if self._changed("is_open") and not self.before["is_open"] and self._is_as_left("is_open", "ticket"):
            actions.close(self.user, self.conversation)
            self._did(sentence("closed"))
        self._snooze()
        self._unread()
        if self.run.macro and any(one.do is Do.NOTE for one in rules.parse(self.run.macro.actions)):
            self._kept(sentence("the internal note stays"))

    def _changed(self, *names: str) -> bool:
        return any(self.before[name] != self.after[name] for name in names)

    def _is_as_left(self, *names: str) -> bool:
        return all(self.now[name] == self.after[name] for name in names)

    def _may_put_back(self, what: str, *names: str) -> bool:
        """Return whether the run changed this and nobody has since; say so when somebody has."""
        if not self._changed(*names):
            return False
        if self._is_as_left(*names):
            return True
        if all(self.now[name] == self.before[name] for name in names):
            return False  # somebody has put it back already
        self._kept(sentence("changed meanwhile: %(what_text)s", what_text=what))
        return False

    def _did(self, words: str) -> None:
        self.result.done.append(words)

    def _kept(self, words: str) -> None:
        self.result.kept.append(words)

    def _department(self) -> None:
        if not self._may_put_back(sentence("the department"), "department"):
            return
        if not self._is_as_left("assignee"):  # a transfer would unassign it
            self._kept(sentence("changed meanwhile: %(what_text)s", what_text=sentence("the assignee")))
            return
        department = Department.objects.filter(pk=self.before["department"]).first()
        if department is None:
            self._kept(sentence("the department was deleted meanwhile"))
            return
        try:
            actions.transfer(self.user, self.conversation, department)
        except Refused as refused:
            self._kept(refused.sentence)
            return
        self.conversation.transferred_at = _time(self.before["transferred_at"])
        self.conversation.save(update_fields=["transferred_at"])
        self._did(sentence("transferred back to %(department)s", department=department))
        self.now["assignee"] = self.after["assignee"] = None  # by the transfer

    def _assignee(self) -> None:
        if not self._may_put_back(sentence("the assignee"), "assignee"):
            return
        earlier = User.objects.filter(pk=self.before["assignee"] or 0).first()
        if earlier is None and self.before["assignee"]:
            self._kept(sentence("the earlier assignee was deleted"))
            return
        try:
            actions.assign(self.user, self.conversation, earlier)
        except Refused as refused:
            self._kept(refused.sentence)
            return
        self._did(sentence("assigned to %(name)s", name=earlier) if earlier else sentence("unassigned"))

    def _reply(self) -> None:
        for message in Message.objects.filter(pk__in=self.run.messages, conversation=self.conversation):
            try:
                undelivered.cancel(self.user, message)
            except Refused:
                self._kept(sentence("the reply was already sent"))
            else:
                self._did(sentence("the reply was withdrawn"))
            messages.lock(self.conversation)

    def _ticket(self) -> None:
        ticket = Ticket.objects.filter(pk=self.after["ticket"] or 0).first()
        if ticket is None or self.after["ticket"] != self.before["ticket"]:
            return
        self.now |= {
            "priority": ticket.priority,
            "subject": ticket.subject,
            "subject_is_own": ticket.subject_is_own,
            "labels": sorted(ticket.labels.values_list("pk", flat=True)),
        }
        if self._may_put_back(sentence("the priority"), "priority"):
            self._change(sentence("priority"), ticket, ticket_facts.Changes(priority=self.before["priority"]))
        if self._may_put_back(sentence("the subject"), "subject", "subject_is_own"):
            self._put_back_subject(ticket)
        self._labels(ticket)

    def _change(self, what: str, ticket: Ticket, changes: ticket_facts.Changes) -> None:
        try:
            ticket_facts.change(self.user, self.conversation, changes, ticket.pk)
        except Refused as refused:
            self._kept(refused.sentence)
        else:
            self._did(what)

    def _put_back_subject(self, ticket: Ticket) -> None:
        """Put back the subject; one that was the first message follows it again."""
        subject, is_own = self.before["subject"], self.before["subject_is_own"]
        Ticket.objects.filter(pk=ticket.pk).update(subject=subject, subject_is_own=is_own)
        line = sentence("%(user)s put back the subject of ticket #%(number)s", user=self.user, number=ticket.pk)
        actions.add_event(self.conversation, self.user, "subject", line)
        events.publish(EventType.TICKET_UPDATED, self.conversation, ticket=ticket.pk, by=self.user, changed=["subject"])
        self._did(sentence("subject"))

    def _labels(self, ticket: Ticket) -> None:
        before, after, now = (set(state["labels"]) for state in (self.before, self.after, self.now))
        offered = set(labels.offered(self.conversation).filter(pk__in=before).values_list("pk", flat=True))
        add, remove = (before - after - now) & offered, (after - before) & now
        for name in Label.objects.filter(pk__in=(before - after - now) - offered).values_list("name", flat=True):
            self._kept(sentence("the label “%(name)s” is not for this department", name=name))
        if add or remove:
            self._change(sentence("labels"), ticket, ticket_facts.Changes(add=add, remove=remove))

    def _snooze(self) -> None:
        names = ("is_snoozed", "snoozed_until")
        if not self._may_put_back(sentence("the snooze"), *names):
            return
        if not self.before["is_snoozed"]:
            snoozes.wake(self.user, self.conversation)
            self._did(sentence("no longer snoozed"))
            return
        try:
            snoozes.snooze(self.user, self.conversation, _time(self.before["snoozed_until"]))
        except Refused as refused:
            self._kept(refused.sentence)
        else:
            self._did(sentence("snoozed again"))

    def _unread(self) -> None:
        """Put back the count of unread messages, unless a reply was sent or the customer has written since."""
        if not self._changed("unread") or not self._is_as_left("unread"):
            return
        if self.before["is_open"] and not self.conversation.is_open:
            return  # it stays closed: nothing in it waits to be read
        if Message.objects.filter(pk__in=self.run.messages).exists():
            return
        unread = self.before["unread"]
        if self.conversation.unread_count != unread:
            self.conversation.unread_count = unread
            self.conversation.save(update_fields=["unread_count"])
            self._did(sentence("unread again") if unread else sentence("read again"))


def _time(text: Any) -> datetime | None:
    return datetime.fromisoformat(text) if text else None

"""A macro does everything or nothing, says beforehand what it will do, and can be undone where nobody was faster."""

import threading
from collections.abc import Callable
from datetime import timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest
import time_machine
from django.db import connection, transaction
from django.utils import timezone

from desk.errors import Refused
from desk.integrity import Wishes
from desk.models import User
from tests import factories
from tests.matching import present
from tickets.models import Conversation, Label, Macro, MacroRun, Message, Ticket
from tickets.rules import macros as rules
from tickets.services.inbox import actions, labels, macro_runs, macro_undo, macros, snoozes, ticket_facts
from tickets.services.inbox.macro_runs import MacroRefusedError
from tickets.services.integrity import conversations as integrity

pytestmark = pytest.mark.django_db

ZONE = ZoneInfo("Europe/Berlin")
State = Message.State


@pytest.fixture(autouse=True)
def _stopped(clock: time_machine.Traveller) -> None:
    """The time stands still, five minutes after the customer wrote."""


@pytest.fixture
def refund(db: None) -> Label:
    return Label.objects.create(name="Refund", key="refund")


@pytest.fixture
def make(alice: User) -> Callable[..., Macro]:
    def make(*stored: dict[str, Any], name: str = "Refund", **fields: Any) -> Macro:
        return macros.save(alice, None, {"name": name, "actions": rules.parse(list(stored)), **fields})

    return make


def reply(text: str = "Hello {{first_name}}") -> dict[str, Any]:
    return {"do": "reply", "text": text}


def ticket_of(conversation: Conversation) -> Ticket:
    return Ticket.objects.get(conversation=conversation)


def lines(conversation: Conversation) -> list[str]:
    events = Message.objects.filter(conversation=conversation, kind="event").order_by("sent_at", "pk")
    return [" — ".join(filter(None, (present(row.card)["title"], present(row.card)["text"]))) for row in events]


def sent(conversation: Conversation) -> list[tuple[str, str]]:
    rows = conversation.messages.filter(direction="out", kind="message").order_by("pk")
    return list(rows.values_list("text", "state"))


def everything(conversation: Conversation) -> dict[str, Any]:
    conversation.refresh_from_db()
    waiting = conversation.waiting_since
    return {**macro_runs.state_of(conversation), "waiting": waiting, "messages": conversation.message_count}


def run(user: User, conversation: Conversation, macro: Macro, **fields: Any) -> MacroRun:
    return macro_runs.run(user, conversation, macro, ZONE, **fields)


def is_sound() -> bool:
    found = [*integrity.check_conversations(Wishes(mend=False)), *integrity.check_tickets(Wishes(mend=False))]
    return not found


def test_everything_is_done_in_one_step_and_the_thread_says_by_which_macro(
    alice: User, conversation: Conversation, make: Callable[..., Macro], refund: Label
) -> None:
    macro = make(
        reply(),
        {"do": "note", "text": "For {{name}}"},
        {"do": "assign", "to": "me"},
        {"do": "priority", "value": "high"},
        {"do": "add_labels", "labels": [refund.pk]},
        {"do": "subject", "text": "Refund for {{first_name}}"},
        {"do": "close"},
    )
    first = conversation.contact.name.split()[0]
    made = run(alice, conversation, macro)
    ticket = ticket_of(conversation)
    assert (ticket.status, ticket.priority, ticket.subject) == ("closed", "high", f"Refund for {first}")
    assert (list(ticket.labels.all()), ticket.assignee) == ([refund], alice)
    assert sent(conversation) == [(f"Hello {first}", "queued")]
    assert conversation.messages.get(kind="note").text == f"For {conversation.contact.name}"
    by = "by macro “Refund”"
    assert lines(conversation) == [
        "alice ran the macro “Refund”",
        f"alice took this conversation — {by}",
        f"alice set the priority of ticket #{ticket.pk} to high — {by}",
        f"alice labeled ticket #{ticket.pk}: “Refund” — {by}",
        f"alice changed the subject of ticket #{ticket.pk} to “Refund for {first}” — {by}",
        f"alice closed ticket #{ticket.pk} — {by}",
    ]
    assert made.done[-2:] == [f"subject “Refund for {first}”", "closed"]
    macro.refresh_from_db()
    assert (macro.use_count, macro.last_used_at) == (1, timezone.now())
    assert is_sound()


def test_a_preview_says_all_and_changes_nothing(
    alice: User, conversation: Conversation, make: Callable[..., Macro], refund: Label
) -> None:
    macro = make(reply(), {"do": "add_labels", "labels": [refund.pk]}, {"do": "close"})
    before = everything(conversation)
    steps = macro_runs.preview(alice, conversation, macro, ZONE)
    assert [(step.will, step.refusal) for step in steps] == [
        ("Reply", ""),
        ("Add the labels “Refund”", ""),
        ("Close the ticket", ""),
    ]
    assert steps[0].text == f"Hello {conversation.contact.name.split()[0]}"
    assert everything(conversation) == before
    assert (sent(conversation), lines(conversation), MacroRun.objects.count()) == ([], [], 0)


def test_of_a_macro_with_refused_actions_nothing_is_done_and_each_is_named(
    alice: User, conversation: Conversation, make: Callable[..., Macro], refund: Label, clock: time_machine.Traveller
) -> None:
    foreign = factories.make_agent("frida")
    macro = make(
        reply(),
        {"do": "add_labels", "labels": [refund.pk]},
        {"do": "assign", "to": "agent", "id": foreign.pk},
        {"do": "close"},
    )
    clock.shift(timedelta(days=8))  # the window is closed for the reply
    before = everything(conversation)
    with pytest.raises(MacroRefusedError) as refused:
        run(alice, conversation, macro)
    assert [bool(step.refusal) for step in refused.value.steps] == [True, False, True, False]
    assert "frida is an agent neither of this channel nor of this department" in str(refused.value)
    assert [step.refusal for step in macro_runs.preview(alice, conversation, macro, ZONE)] == [
        step.refusal for step in refused.value.steps
    ]
    assert everything(conversation) == before
    assert (sent(conversation), lines(conversation)) == ([], [])
    assert Macro.objects.get().use_count == 0


def test_a_reply_that_could_not_be_sent_after_a_transfer_is_refused(
    alice: User, conversation: Conversation, make: Callable[..., Macro]
) -> None:
    returns = factories.make_department("Returns")
    alice.agent.associations.all().delete()
    actions.assign(alice, conversation, None)
    helper = factories.make_agent("helper", channels=(conversation.channel,))
    helper.agent.associations.all().delete()
    Conversation.objects.filter(pk=conversation.pk).update(assignee=helper)
    macro = make(reply(), {"do": "assign", "to": "department", "id": returns.pk})
    with pytest.raises(MacroRefusedError, match="the reply could not be sent"):
        run(helper, conversation, macro)
    assert sent(conversation) == []
    moves = make({"do": "assign", "to": "department", "id": returns.pk}, name="Move")
    made = run(helper, conversation, moves)
    with pytest.raises(Refused, match="no longer see"):  # it is out of the helper's sight
        run(helper, conversation, moves)
    undone = macro_undo.undo(helper, present(macro_undo.get_run(helper, conversation.pk, made.pk)))
    conversation.refresh_from_db()
    assert (undone.kept, conversation.assignee, conversation.transferred_at) == ([], helper, None)


def test_the_same_key_runs_once(alice: User, conversation: Conversation, make: Callable[..., Macro]) -> None:
    macro = make(reply())
    first, again = (run(alice, conversation, macro, client_key="k1") for _ in range(2))
    assert (first.pk, len(sent(conversation)), MacroRun.objects.count()) == (again.pk, 1, 1)
    run(alice, conversation, macro, client_key="k2")
    assert len(sent(conversation)) == 2


def test_an_answer_of_a_colleague_and_a_change_of_the_macro_stop_it(
    alice: User, conversation: Conversation, make: Callable[..., Macro]
) -> None:
    macro = make(reply())
    seen, shown = macro_runs.newest_message(conversation), macros.fingerprint(macro)
    colleague = factories.make_agent("dora", channels=(conversation.channel,))
    factories.answer(conversation, "Yes, it is", author=colleague)
    with pytest.raises(MacroRefusedError, match="dora has replied meanwhile: “Yes, it is”"):
        run(alice, conversation, macro, seen=seen)
    seen = macro_runs.newest_message(conversation)
    macros.save(alice, macro, {"actions": rules.parse([reply("Something else")])})
    with pytest.raises(Refused, match="Somebody has changed this macro"):
        run(alice, conversation, macro, seen=seen, shown=shown)
    assert [text for text, _state in sent(conversation)] == ["Yes, it is"]


def test_what_is_missing_is_said_and_stops_it_until_it_is_mended(
    alice: User, conversation: Conversation, make: Callable[..., Macro], refund: Label
) -> None:
    leaver, returns = factories.make_agent("leo"), factories.make_department("Returns")
    macro = make(
        {"do": "add_labels", "labels": [refund.pk]},
        {"do": "assign", "to": "department", "id": returns.pk},
        {"do": "assign", "to": "agent", "id": leaver.pk},
    )
    assert macros.problems_of(macro) == []
    labels.delete(alice, refund)
    returns.delete()
    User.objects.filter(pk=leaver.pk).update(is_active=False)
    assert [problem.sentence for problem in macros.problems_of(macro)] == [
        "The label “Refund” was deleted.",
        "The department “Returns” was deleted.",
        "leo was deleted or deactivated.",
    ]
    for attempt in (macro_runs.preview, macro_runs.run):
        with pytest.raises(Refused, match="has to be mended before it runs"):
            attempt(alice, conversation, macro, ZONE)
    Macro.objects.filter(pk=macro.pk).update(actions=[{"do": "close"}, {"do": "fly"}])
    with pytest.raises(Refused, match="does not know this action"):
        run(alice, conversation, macro)
    assert lines(conversation) == []


def test_a_macro_follows_its_label_when_that_is_merged(
    alice: User, conversation: Conversation, make: Callable[..., Macro], refund: Label
) -> None:
    other = Label.objects.create(name="Money", key="money")
    macro = make({"do": "add_labels", "labels": [refund.pk]})
    labels.merge(alice, refund, other)
    run(alice, conversation, Macro.objects.get(pk=macro.pk))
    assert list(ticket_of(conversation).labels.all()) == [other]


def test_undo_puts_everything_back(
    alice: User, conversation: Conversation, make: Callable[..., Macro], refund: Label
) -> None:
    old = Label.objects.create(name="Old", key="old")
    ticket_facts.change(alice, conversation, ticket_facts.Changes(add=[old.pk]))
    snoozes.snooze(alice, conversation, timezone.now() + timedelta(hours=5))
    before = everything(conversation)
    returns = factories.make_department("Returns")
    macro = make(
        reply(),
        {"do": "assign", "to": "department", "id": returns.pk},
        {"do": "assign", "to": "me"},
        {"do": "priority", "value": "urgent"},
        {"do": "add_labels", "labels": [refund.pk]},
        {"do": "remove_labels", "labels": [old.pk]},
        {"do": "subject", "text": "Money back"},
        {"do": "close"},
    )
    made = run(alice, conversation, macro)
    undone = macro_undo.undo(alice, present(macro_undo.get_run(alice, conversation.pk, made.pk)))
    assert undone.kept == []
    assert "the reply was withdrawn" in undone.done
    after = everything(conversation)
    ignored = {"messages": 0}
    assert {**after, **ignored} == {**before, **ignored}
    assert sent(conversation) == []
    assert lines(conversation)[-1].endswith("macro “Refund” undone")
    assert macro_undo.get_run(alice, conversation.pk, made.pk) is None
    with pytest.raises(Refused, match="no longer be undone"):
        macro_undo.undo(alice, made)
    assert is_sound()


def test_undo_leaves_what_was_changed_since_and_says_so(
    alice: User, conversation: Conversation, make: Callable[..., Macro], refund: Label
) -> None:
    colleague = factories.make_agent("dora", channels=(conversation.channel,))
    macro = make(
        reply(),
        {"do": "note", "text": "Paid"},
        {"do": "assign", "to": "me"},
        {"do": "priority", "value": "high"},
        {"do": "add_labels", "labels": [refund.pk]},
    )
    made = run(alice, conversation, macro)
    Message.objects.filter(pk__in=made.messages).update(state=State.SENDING)  # the worker has claimed it
    actions.assign(colleague, conversation, colleague)
    ticket_facts.change(colleague, conversation, ticket_facts.Changes(priority="low"))
    undone = macro_undo.undo(alice, present(macro_undo.get_run(alice, conversation.pk, made.pk)))
    assert undone.done == ["labels"]
    assert undone.kept == [
        "changed meanwhile: the assignee",
        "the reply was already sent",
        "changed meanwhile: the priority",
        "the internal note stays",
    ]
    conversation.refresh_from_db()
    assert (conversation.assignee, ticket_of(conversation).priority) == (colleague, "low")
    assert [state for _text, state in sent(conversation)] == ["sending"]


def test_only_who_ran_it_undoes_it_and_only_for_some_minutes(
    alice: User, conversation: Conversation, make: Callable[..., Macro], clock: time_machine.Traveller
) -> None:
    made = run(alice, conversation, make({"do": "close"}))
    colleague = factories.make_agent("dora", channels=(conversation.channel,))
    assert macro_undo.get_run(colleague, conversation.pk, made.pk) is None
    assert macro_undo.get_run(alice, conversation.pk, made.pk) == made
    clock.shift(macro_undo.UNDO_FOR + timedelta(seconds=1))
    assert macro_undo.get_run(alice, conversation.pk, made.pk) is None
    assert macro_runs.delete_old() == 0
    clock.shift(macro_runs.KEPT_FOR)
    assert macro_runs.delete_old() == 1


def test_names_are_unique_and_the_history_says_who_changed_what(alice: User, make: Callable[..., Macro]) -> None:
    make({"do": "close"}, name="Done")
    with pytest.raises(Refused, match="There is a macro “dONE” already"):
        make({"do": "close"}, name="dONE")
    own = macros.save(alice, None, {"name": "Done", "actions": rules.parse([{"do": "close"}])}, owner=alice)
    assert macros.free_name("Done", alice) == "Done (2)"
    with pytest.raises(macros.MacroError) as refused:
        macros.save(alice, own, {"actions": rules.parse([{"do": "add_labels", "labels": [99]}])})
    assert refused.value.problems[0].index == 0


@pytest.mark.django_db(transaction=True)
def test_two_agents_run_two_macros_in_the_same_second(
    alice: User, conversation: Conversation, make: Callable[..., Macro], refund: Label
) -> None:
    dora = factories.make_agent("dora", channels=(conversation.channel,))
    one = make(reply("One"), {"do": "assign", "to": "me"}, {"do": "priority", "value": "high"}, name="One")
    two = make({"do": "assign", "to": "me"}, {"do": "add_labels", "labels": [refund.pk]}, {"do": "close"}, name="Two")
    start = threading.Barrier(2)
    errors: list[BaseException] = []

    def act(user: User, macro: Macro, key: str) -> None:
        try:
            start.wait(10)
            for _ in range(2):  # the second time is the repetition of a request whose answer was lost
                run(user, Conversation.objects.get(pk=conversation.pk), macro, client_key=key)
        except BaseException as error:
            errors.append(error)
        finally:
            connection.close()

    threads = [threading.Thread(target=act, args=args) for args in ((alice, one, "a"), (dora, two, "b"))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    assert errors == []
    ticket = ticket_of(conversation)
    conversation.refresh_from_db()
    assert (ticket.status, ticket.priority, list(ticket.labels.all())) == ("closed", "high", [refund])
    assert [text for text, _state in sent(conversation)] == ["One"]
    first, second = MacroRun.objects.order_by("pk")
    assert first.after["assignee"] == second.before["assignee"], "one after the other, not between each other"
    assert conversation.assignee_id == second.user_id
    by = [line.rpartition("by macro ")[2] for line in lines(conversation) if "by macro" in line]
    assert by == sorted(by, key=by.index), by
    assert by in (
        [f"“{first.name}”"] * by.count(f"“{first.name}”") + [f"“{second.name}”"] * by.count(f"“{second.name}”"),
    )
    undone = macro_undo.undo(first.user, present(macro_undo.get_run(first.user, conversation.pk, first.pk)))
    assert "changed meanwhile: the assignee" in undone.kept
    assert transaction.get_autocommit()
    assert is_sound()

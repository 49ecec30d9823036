"""The counts of `make chaos`, over a record that is made up: each mistake is found by its own count alone."""

from dataclasses import replace

import pytest

from chaos.counts import NAMES, count
from chaos.record import Asked, Evidence, Said, Stored, said_in, stored_in, token_of

NOW = 1_700_000_000_000  # ms
HOUR = 3_600_000
PSID = "77"


def evidence() -> Evidence:
    """Return what there is after a round without a mistake: a ticket hours ago, and one with two replies."""
    said = [
        Said("msg-0", "m0", NOW - 3 * HOUR, "[msg-0] before"),
        Said("msg-1", "m1", NOW, "[msg-1] hello"),
        Said("reply-0", "m2", NOW + 1000, "[reply-0] yes", from_page=True, is_ours=True),
        Said("reply-1", "m3", NOW + 2000, "[reply-1] and", from_page=True, is_ours=True),
    ]
    states = ["received", "received", "read", "delivered"]
    stored = [
        Stored(10 + place, each.token, each.mid, each.at, each.text, "out" if each.from_page else "in", state, ticket)
        for place, (each, state, ticket) in enumerate(zip(said, states, [1, 2, 2, 2], strict=True))
    ]
    asked = [Asked(PSID, f"reply-{number}", number, NOW + 500, NOW + 600) for number in (0, 1)]
    return Evidence(
        {PSID: said}, {PSID: stored}, asked, read_until={PSID: NOW + 1000}, waiting={PSID: False}, left_over=[]
    )


def change(found: Evidence, place: int, **fields: object) -> None:
    found.stored[PSID][place] = replace(found.stored[PSID][place], **fields)  # type: ignore[arg-type]


def lose_a_message(found: Evidence) -> None:
    del found.stored[PSID][0]


def lose_a_reply(found: Evidence) -> None:
    del found.said[PSID][3]
    del found.stored[PSID][3]


def double_in_desk(found: Evidence) -> None:
    found.stored[PSID].insert(2, replace(found.stored[PSID][1], id=99))


def double_at_the_customer(found: Evidence) -> None:
    found.said[PSID].append(found.said[PSID][3])


def send_in_another_order(found: Evidence) -> None:
    found.asked = [replace(reply, number=1 - reply.number) for reply in found.asked]


def stand_in_another_order(found: Evidence) -> None:
    found.stored[PSID][2:] = reversed(found.stored[PSID][2:])


def have_another_state(found: Evidence) -> None:
    change(found, 3, state="read")


def have_another_mid(found: Evidence) -> None:
    change(found, 1, mid="other")


def have_another_text(found: Evidence) -> None:
    change(found, 1, text="[msg-1] goodbye")


def join_the_older_ticket(found: Evidence) -> None:
    for place in (1, 2, 3):
        change(found, place, ticket=1)


def open_a_ticket_too_many(found: Evidence) -> None:
    change(found, 3, ticket=3)


def keep_waiting(found: Evidence) -> None:
    found.waiting[PSID] = True


def stop_waiting(found: Evidence) -> None:
    said = Said("msg-2", "m4", NOW + 9000, "[msg-2] still there?")
    found.said[PSID].append(said)
    found.stored[PSID].append(Stored(20, said.token, said.mid, said.at, said.text, "in", "received", 2))


def find_a_wrong_counter(found: Evidence) -> None:
    found.findings.append("Conversation 1: message_count is 3 instead of 4")


def leave_a_delivery(found: Evidence) -> None:
    found.left_over.append("1 deliveries wait")


def leave_a_reply_unsure(found: Evidence) -> None:
    del found.said[PSID][3]
    change(found, 3, state="unsure")


@pytest.mark.parametrize(
    ("mistake", "name"),
    [
        (lose_a_message, "lost"),
        (lose_a_reply, "lost"),
        (double_in_desk, "doubled"),
        (double_at_the_customer, "doubled"),
        (send_in_another_order, "misordered"),
        (stand_in_another_order, "misordered"),
        (have_another_state, "wrong state"),
        (have_another_mid, "wrong state"),
        (have_another_text, "wrong state"),
        (join_the_older_ticket, "wrong ticket"),
        (open_a_ticket_too_many, "wrong ticket"),
        (keep_waiting, "wrong counters"),
        (stop_waiting, "wrong counters"),
        (find_a_wrong_counter, "wrong counters"),
        (leave_a_delivery, "stuck"),
        (leave_a_reply_unsure, "stuck"),
    ],
)
def test_a_mistake_is_found_by_its_own_count(mistake: object, name: str) -> None:
    found = evidence()
    assert count(found).wrong == []
    assert callable(mistake)
    mistake(found)
    assert count(found).wrong == [name]


def test_a_reply_that_is_said_to_be_sent_and_never_arrived_is_lost_and_has_a_wrong_state() -> None:
    found = evidence()
    del found.said[PSID][3]
    assert count(found).wrong == ["lost", "wrong state"]


def test_a_reply_that_was_written_while_the_customer_wrote_says_nothing_about_waiting() -> None:
    found = evidence()
    found.asked = [replace(reply, began=NOW - 100, answered=NOW + 100) for reply in found.asked]
    for is_waiting in (True, False):
        found.waiting[PSID] = is_waiting
        assert count(found).wrong == []


def test_a_message_that_waits_in_the_journal_is_stuck_and_not_lost() -> None:
    found = evidence()
    lose_a_message(found)
    leave_a_delivery(found)
    found.in_journal = {"msg-0"}
    assert count(found).wrong == ["stuck"]


def test_the_line_has_every_count() -> None:
    assert count(evidence()).line() == "  ".join(f"{name} 0" for name in NAMES)


def test_records_are_read_from_both_sides() -> None:
    message = {
        **{"mid": "m1", "ts": NOW, "text": "[reply-7] yes", "from": "page", "app_id": "1", "delivered_at": NOW},
    }
    world = {"conversations": [{"psid": PSID, "messages": [message]}, {"psid": "other", "messages": [message]}]}
    said = said_in(world, [PSID], "1")
    assert said == {PSID: [Said("reply-7", "m1", NOW, "[reply-7] yes", from_page=True, is_ours=True)]}
    row = {"psid": PSID, "id": 2, "mid": "m1", "at": NOW, "text": "[reply-7] yes", "direction": "out"}
    row |= {"state": "sent", "ticket": 1, "reason": ""}
    older = {**row, "id": 9, "at": NOW - 1, "text": ""}
    assert [each.token for each in stored_in([row, older])[PSID]] == ["", "reply-7"]
    assert token_of(None) == ""

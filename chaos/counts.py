"""Count what is wrong in Desk, by the sandbox's own record. Pure.

lost            a message that Desk has not, nor in its journal; a reply that Desk took and the customer did not get
doubled         a message that Desk, or the customer, has more than once
misordered      a reply that reached the customer before an earlier one; a message that stands in the wrong place
wrong state     a state that is not what happened to the message, another id or another text
wrong ticket    a message that is in a ticket of others, or not in that of its own
wrong counters  who waits for a reply, and what `manage.py verify_integrity` finds
stuck           work that did not end: deliveries, replies, webhooks of the sandbox
"""

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import pairwise

from chaos.record import Asked, Evidence, Said, Stored

INTERMISSION_MS = 60 * 60 * 1000  # of every department, unless an administrator changes it
ARRIVED = ("sent", "delivered", "read")
UNFINISHED = ("queued", "sending", "unsure", "held", "failed")
NAMES = ("lost", "doubled", "misordered", "wrong state", "wrong ticket", "wrong counters", "stuck")


@dataclass
class Counts:
    """A sentence for each mistake, by the name of the count."""

    found: dict[str, list[str]] = field(default_factory=lambda: {name: [] for name in NAMES})

    def add(self, name: str, sentences: Iterable[str]) -> None:
        self.found[name].extend(sentences)

    @property
    def wrong(self) -> list[str]:
        """Return the names of the counts that are not 0."""
        return [name for name, sentences in self.found.items() if sentences]

    def line(self) -> str:
        """Return all counts in one line."""
        return "  ".join(f"{name} {len(sentences)}" for name, sentences in self.found.items())


def count(evidence: Evidence) -> Counts:
    """Return what is wrong."""
    counts = Counts()
    asked: dict[str, list[Asked]] = defaultdict(list)
    for reply in evidence.asked:
        asked[reply.psid].append(reply)
    for psid in sorted({*evidence.said, *evidence.stored, *asked}):
        said, stored = evidence.said.get(psid, []), evidence.stored.get(psid, [])
        replies = sorted(asked[psid], key=lambda reply: reply.number)
        lost = list(_lost(psid, said, stored, replies, evidence.in_journal))
        doubled = list(_doubled(psid, said, stored))
        counts.add("lost", lost)
        counts.add("doubled", doubled)
        everything = said
        said, stored = _without_doubled(said, stored)
        counts.add("misordered", _misordered(psid, said, stored, replies))
        counts.add("wrong state", _wrong_states(psid, said, stored, evidence.read_until.get(psid, 0)))
        counts.add("wrong ticket", _wrong_tickets(psid, everything, stored))
        if not (lost or doubled) and psid in evidence.waiting:
            counts.add("wrong counters", _wrong_waiting(psid, said, replies, evidence.waiting[psid]))
        counts.add("stuck", _unfinished(psid, stored))
    counts.add("wrong counters", evidence.findings)
    counts.add("stuck", evidence.left_over)
    return counts


def _lost(
    psid: str, said: Sequence[Said], stored: Sequence[Stored], asked: Sequence[Asked], in_journal: set[str]
) -> Iterator[str]:
    known, arrived = {row.token for row in stored} | in_journal, {message.token for message in said}
    for message in said:
        if message.token not in known:
            yield f"{psid}: Desk has no message {message.token} ({message.mid})"
    unfinished = {row.token for row in stored if row.state in UNFINISHED}
    for reply in asked:
        if reply.token not in arrived and reply.token not in unfinished:
            yield f"{psid}: the reply {reply.token} did not reach the customer"


def _doubled(psid: str, said: Sequence[Said], stored: Sequence[Stored]) -> Iterator[str]:
    for place, tokens in (("Desk", stored), ("the customer", said)):
        for token, number in Counter(message.token for message in tokens).items():
            if number > 1:
                yield f"{psid}: {place} has {token} {number} times"


def _without_doubled(said: Sequence[Said], stored: Sequence[Stored]) -> tuple[list[Said], list[Stored]]:
    """Leave out what there is more than once: one mistake is counted once."""
    numbers = [Counter(each.token for each in side) for side in (said, stored)]
    doubled = {token for side in numbers for token, number in side.items() if number > 1}
    return [each for each in said if each.token not in doubled], [each for each in stored if each.token not in doubled]


def _misordered(psid: str, said: Sequence[Said], stored: Sequence[Stored], asked: Sequence[Asked]) -> Iterator[str]:
    places = {message.token: place for place, message in reversed(list(enumerate(said)))}
    sent = [reply.token for reply in asked if reply.token in places]
    for earlier, later in pairwise(sent):
        if places[later] < places[earlier]:
            yield f"{psid}: the reply {later} reached the customer before {earlier}"
    times = {message.token: message.at for message in said}
    shown = [row.token for row in stored if row.token in times]
    for above, below in pairwise(shown):
        if times[above] > times[below]:
            yield f"{psid}: {above} stands above {below} in Desk"


def _wrong_states(psid: str, said: Sequence[Said], stored: Sequence[Stored], read_until: int) -> Iterator[str]:
    by_token = {message.token: message for message in said}
    for row in stored:
        message = by_token.get(row.token)
        if message is None:
            if row.state in ARRIVED:
                yield f"{psid}: {row.token} is {row.state}, and the customer has not got it"
            continue
        expected = "received"
        if message.from_page:
            expected = "delivered" if message.is_delivered else "sent"
            expected = "read" if message.at <= read_until else expected
        if row.state != expected:
            yield f"{psid}: {row.token} is {row.state} instead of {expected}. {row.reason}".strip()
        elif row.mid != message.mid:
            yield f"{psid}: {row.token} has the mid {row.mid} instead of {message.mid}"
        elif row.text != message.text:
            yield f"{psid}: {row.token} has the text {row.text!r} instead of {message.text!r}"


def _wrong_tickets(psid: str, said: Sequence[Said], stored: Sequence[Stored]) -> Iterator[str]:
    expected: dict[str, int] = {}
    number, before = 0, None
    for message in sorted(said, key=lambda message: message.at):
        if before is not None and not message.from_page and message.at - before > INTERMISSION_MS:
            number += 1
        expected[message.token] = number
        before = message.at
    groups: dict[int, Counter[int | None]] = defaultdict(Counter)
    for row in stored:
        if row.token in expected:
            groups[expected[row.token]][row.ticket] += 1
    owners: dict[int | None, int] = {}
    for group, tickets in sorted(groups.items()):
        owners.setdefault(tickets.most_common(1)[0][0], group)
    for row in stored:
        if row.token in expected and owners.get(row.ticket) != expected[row.token]:
            yield f"{psid}: {row.token} is in ticket {row.ticket}, which is not that of its neighbours"


def _wrong_waiting(psid: str, said: Sequence[Said], asked: Sequence[Asked], is_waiting: bool) -> Iterator[str]:
    """Compare only what is certain: a reply that was being written while the customer wrote may answer it or not."""
    questions = [message.at for message in said if not message.from_page]
    if not questions:
        return
    outside = [message.at for message in said if message.from_page and not message.is_ours]
    answers_from = max([*outside, *(reply.began for reply in asked)], default=0)
    answers_until = max([*outside, *(reply.answered for reply in asked)], default=0)
    if max(questions) > answers_until and not is_waiting:
        yield f"{psid}: the customer waits for a reply, and Desk says that they do not"
    if max(questions) < answers_from and is_waiting:
        yield f"{psid}: the customer was answered, and Desk says that they wait"


def _unfinished(psid: str, stored: Sequence[Stored]) -> Iterator[str]:
    for row in stored:
        if row.state in UNFINISHED:
            yield f"{psid}: {row.token} is {row.state}. {row.reason}".strip()

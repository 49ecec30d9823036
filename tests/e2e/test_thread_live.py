"""How the open conversation stays up to date: messages come with the live stream, and the page reads what it missed."""

import re
from collections.abc import Callable

import pytest
from playwright.sync_api import Page, Response, expect

from tests.e2e import data
from tests.e2e.customers import Customer
from tests.e2e.page_objects import SOON_MS, HeldEvents, Inbox, log_in
from tests.e2e.processes import RunningDesk
from tests.sandbox.process import BERG_BIKES

pytestmark = [pytest.mark.browser, pytest.mark.processes]
MESSAGES = re.compile(r"/inbox/\d+/messages/")
# Record what the stream brings, and keep the next events of these kinds from the page.
RECORD = """
    window.received = [];
    window.lost = {};
    const listen = EventSource.prototype.addEventListener;
    EventSource.prototype.addEventListener = function (kind, act) {
        listen.call(this, kind, (event) => {
            window.received.push([kind, event.data]);
            if (!(window.lost[kind]-- > 0)) act(event);
        });
    };
"""
RECEIVED = "() => window.received.filter(([kind]) => ['thread', 'state'].includes(kind)).map(([, data]) => data)"


def is_report(response: Response) -> bool:
    return "/onlookers/" in response.url and response.request.method == "POST" and response.ok


def open_conversation(page: Page, inbox: Inbox, customer: Customer) -> None:
    """Open the customer's conversation and wait until the server knows that this page shows it."""
    page.add_init_script(RECORD)
    with page.expect_response(re.compile("/inbox/list/")):  # read after the first event of the stream
        inbox.open()
    with page.expect_response(is_report):
        inbox.choose(customer.name)


def texts(page: Page) -> list[str]:
    """Return the texts of the bubbles in the order of the page."""
    return [text.strip() for text in page.locator("#items .bubble .text").all_inner_texts()]


def test_messages_and_receipts_come_without_a_request(agent: Page, demo: RunningDesk, customer: Customer) -> None:
    inbox = Inbox(agent, demo)
    open_conversation(agent, inbox, customer)
    agent.route(MESSAGES, lambda route: route.abort())
    customer.writes("Sent with the stream")
    expect(inbox.bubble("Sent with the stream")).to_have_count(1, timeout=SOON_MS)
    inbox.answer("Seen at once")
    expect(inbox.bubble("Seen at once")).to_have_attribute("data-state", re.compile("delivered|read"), timeout=SOON_MS)
    demo.call(data.take, customer.conversation, "alice")
    expect(agent.locator("#thread-head")).to_contain_text("yours", timeout=SOON_MS)


def test_messages_in_quick_succession_stay_in_order(agent: Page, demo: RunningDesk, customer: Customer) -> None:
    inbox, wanted = Inbox(agent, demo), [f"Number {number}" for number in range(8)]
    open_conversation(agent, inbox, customer)
    agent.route(MESSAGES, lambda route: route.abort())
    for text in wanted:
        demo.sandbox.customer_writes(customer.id, BERG_BIKES, text)
    expect(inbox.bubble(wanted[-1])).to_have_count(1, timeout=SOON_MS)
    expect(agent.locator("#items .bubble .text")).to_have_count(9, timeout=SOON_MS)
    assert texts(agent)[-8:] == wanted


@pytest.mark.parametrize("more", ["", "And one more"], ids=["the last event", "one before another"])
def test_what_the_page_missed_is_read(agent: Page, demo: RunningDesk, customer: Customer, more: str) -> None:
    inbox = Inbox(agent, demo)
    open_conversation(agent, inbox, customer)
    agent.wait_for_timeout(1000)  # what opening the conversation announces
    agent.evaluate("window.lost = { thread: 1000 }")
    customer.writes("Lost on the way")
    while "Lost on the way" not in "".join(agent.evaluate(RECEIVED)):
        agent.wait_for_timeout(50)
    if more:
        agent.evaluate("window.lost = {}")
        customer.writes(more)
        expect(inbox.bubble(more)).to_have_count(1, timeout=SOON_MS)
    expect(inbox.bubble("Lost on the way")).to_have_count(1, timeout=SOON_MS)
    assert texts(agent)[-1] == (more or "Lost on the way")


def test_an_older_answer_does_not_overwrite_what_came_with_the_stream(
    agent: Page, demo: RunningDesk, customer: Customer
) -> None:
    inbox, held = Inbox(agent, demo), []
    open_conversation(agent, inbox, customer)
    agent.wait_for_timeout(1000)  # what opening the conversation announces
    # Only the first answer is late: the page may read again, if the stream could not bring the message.
    agent.route(MESSAGES, lambda route: held.append((route, route.fetch())), times=1)
    agent.evaluate("dispatchEvent(new Event('online'))")  # it connects again, and reads what it may have missed
    while not held:
        agent.wait_for_timeout(50)
    customer.writes("Newer than the answer")
    expect(inbox.bubble("Newer than the answer")).to_have_count(1, timeout=SOON_MS)
    with agent.expect_response(MESSAGES):
        held[0][0].fulfill(response=held[0][1])
    agent.wait_for_timeout(300)
    expect(inbox.bubble("Newer than the answer")).to_have_count(1)


def test_a_page_that_loses_access_is_sent_nothing_more(
    agent: Page, new_page: Callable[..., Page], demo: RunningDesk, customer: Customer
) -> None:
    demo.call(data.make_agent, "dora", department="Workshop", answers_demo_channel=False)
    demo.call(data.assign, customer.conversation, "dora")
    other = new_page()
    log_in(other, demo, "dora")
    theirs = Inbox(other, demo)
    open_conversation(other, theirs, customer)
    customer.writes("While it was hers")
    expect(theirs.bubble("While it was hers")).to_have_count(1, timeout=SOON_MS)

    demo.call(data.take, customer.conversation, "alice")
    customer.writes("Not for her any more")
    expect(other.get_by_text("You no longer have access")).to_be_visible(timeout=SOON_MS)
    expect(Inbox(agent, demo).row(customer.name)).to_contain_text("Not for her any more", timeout=SOON_MS)
    other.wait_for_timeout(1000)
    sent = "".join(other.evaluate(RECEIVED))
    assert "While it was hers" in sent
    assert "Not for her any more" not in sent


def test_many_events_in_a_row_are_folded_until_somebody_asks(
    agent: Page, demo: RunningDesk, customer: Customer
) -> None:
    inbox = Inbox(agent, demo)
    open_conversation(agent, inbox, customer)
    for _turn in range(3):
        for name in ("alice", "bob"):
            demo.call(data.take, customer.conversation, name)
    shown = agent.locator("#items .event:visible")
    earlier = agent.get_by_role("button", name=re.compile("earlier events"))
    expect(earlier).to_have_text("Show 5 earlier events", timeout=SOON_MS)
    expect(shown).to_have_count(1)
    earlier.click()
    expect(shown).to_have_count(6)
    demo.call(data.take, customer.conversation, "alice")
    expect(shown).to_have_count(7, timeout=SOON_MS)
    customer.writes("And now?")
    expect(inbox.bubble("And now?")).to_have_count(1, timeout=SOON_MS)
    expect(shown).to_have_count(7)


@pytest.mark.parametrize("pressed_with", ["pointer", "Space"])
def test_the_button_of_a_message_that_changes_while_it_is_pressed_acts(
    agent: Page, demo: RunningDesk, new_customer: Callable[..., Customer], pressed_with: str
) -> None:
    inbox, customer = Inbox(agent, demo), new_customer("Is it red?")
    events = HeldEvents(agent, "thread")
    open_conversation(agent, inbox, customer)
    events.let_pass()
    customer.writes("Or blue?")  # one more bubble of the group: the first is no longer its last
    events.expect("Or blue?")
    reply = inbox.bubble("Is it red?").get_by_role("button", name="Reply")
    if pressed_with == "Space":
        reply.focus()
        agent.keyboard.down("Space")
        events.let_pass()
        agent.evaluate("new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done)))")
        agent.keyboard.up("Space")
    else:
        reply.hover()
        agent.mouse.down()
        events.let_pass()
        agent.mouse.up()
    expect(agent.locator("#composer-quote")).to_contain_text("Is it red?", timeout=SOON_MS)
    expect(inbox.bubble("Or blue?")).to_be_visible()

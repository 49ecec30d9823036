"""Notifications in a real browser: turned on by a click, shown by the service worker, answered, and opened by a click.

Chromium cannot reach a real push service, so the browser's subscription is invented. Everything else is real: the
registration of the service worker, its scope, and what it does when a message comes.
"""

import json
import shutil
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from playwright.sync_api import Browser, Page, expect

from tests.chromium import CHROMIUM_ARGUMENTS
from tests.e2e.customers import Customer
from tests.e2e.page_objects import SOON_MS, Inbox, log_in
from tests.e2e.processes import RunningDesk
from tests.push_service import BrowserKeys
from tickets.models import PushSubscription

pytestmark = [pytest.mark.browser, pytest.mark.processes, pytest.mark.any_database]

INVENTED = """
    const fields = %s;
    let subscribed = sessionStorage.getItem("subscribed") === "yes";
    const subscription = {
      endpoint: fields.endpoint,
      options: {},
      toJSON: () => ({ endpoint: fields.endpoint, keys: fields }),
      unsubscribe: async () => { subscribed = false; sessionStorage.removeItem("subscribed"); return true; },
    };
    PushManager.prototype.subscribe = async (options) => {
      window.subscribedFor = options.applicationServerKey.length;
      subscribed = true;
      sessionStorage.setItem("subscribed", "yes");
      return subscription;
    };
    PushManager.prototype.getSubscription = async () => (subscribed ? subscription : null);
    Notification.requestPermission = async () => { window.asked = (window.asked ?? 0) + 1; return "granted"; };
    Object.defineProperty(Notification, "permission", { get: () => "granted" });
"""


def count_browsers(endpoint: str) -> int:
    return PushSubscription.objects.filter(endpoint=endpoint, user__username="alice").count()


def test_a_click_turns_them_on_in_this_browser_and_off_again(new_page: Callable[..., Page], demo: RunningDesk) -> None:
    page = new_page()
    fields = {"endpoint": "https://push.example.com/alice", **BrowserKeys().fields}
    page.add_init_script(INVENTED % json.dumps(fields))
    log_in(page, demo, "alice")
    page.goto(f"{demo.url}/accounts/notifications/")
    expect(page.locator("[data-state]")).to_have_text("Notifications are off in this browser.", timeout=SOON_MS)
    assert page.evaluate("window.asked") is None, "nothing is asked without a click"
    page.get_by_role("button", name="Turn on in this browser").click()
    expect(page.locator("[data-state]")).to_have_text("Notifications are on in this browser.", timeout=SOON_MS)
    assert page.evaluate("[window.asked, window.subscribedFor]") == [1, 65]
    worker = page.evaluate(
        "navigator.serviceWorker.ready.then(({ active, scope }) => [active.scriptURL, scope, active.state])"
    )
    assert worker[:2] == [f"{demo.url}/service-worker.js", f"{demo.url}/"]
    assert demo.call(count_browsers, fields["endpoint"]) == 1

    Inbox(page, demo).open()
    assert page.evaluate("navigator.serviceWorker.getRegistrations().then((all) => all.length)") == 1
    page.goto(f"{demo.url}/accounts/notifications/")
    expect(page.locator(".account-list")).to_contain_text("this session")
    page.get_by_role("button", name="Turn off in this browser").click()
    expect(page.locator("[data-state]")).to_have_text("Notifications are off in this browser.", timeout=SOON_MS)
    assert demo.call(count_browsers, fields["endpoint"]) == 0


def test_a_notification_that_is_clicked_opens_the_conversation_in_an_open_page(agent: Page, customer: Customer) -> None:
    agent.reload()
    data = {"kind": "open", "url": f"/inbox/{customer.conversation}/", "writes": True}
    agent.evaluate("data => navigator.serviceWorker.dispatchEvent(new MessageEvent('message', { data }))", data)
    agent.wait_for_url(f"**/inbox/{customer.conversation}/")
    expect(agent.locator("#thread")).to_be_visible(timeout=SOON_MS)


FULL = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)


@pytest.mark.skipif(FULL is None, reason="the shell without windows has no notifications: it needs a whole Chromium")
def test_a_message_of_the_push_service_is_shown_by_the_service_worker(browser: Browser, demo: RunningDesk) -> None:
    """The browser delivers a message as if its push service had brought it; no page of the inbox is open."""
    whole = browser.browser_type.launch(executable_path=FULL, args=[*CHROMIUM_ARGUMENTS, "--headless=new"])
    try:
        context = whole.new_context()
        context.grant_permissions(["notifications"], origin=demo.url)
        page = context.new_page()
        page.goto(f"{demo.url}/accounts/login/")
        page.evaluate(
            "navigator.serviceWorker.register('/service-worker.js').then(() => navigator.serviceWorker.ready)"
        )
        registrations: list[dict[str, Any]] = []
        session = context.new_cdp_session(page)
        session.on(
            "ServiceWorker.workerRegistrationUpdated", lambda event: registrations.extend(event["registrations"])
        )
        session.send("ServiceWorker.enable")
        for _try in range(100):
            if registrations:
                break
            page.wait_for_timeout(100)
        content = {"id": 7, "title": "Maria", "body": "Hello", "tag": "desk-1", "url": "/inbox/5/"}
        message = {"origin": demo.url, "registrationId": registrations[-1]["registrationId"]}
        for text in (json.dumps(content), "no JSON", json.dumps(content)):
            session.send("ServiceWorker.deliverPushMessage", {**message, "data": text})
        shown = "navigator.serviceWorker.ready.then((worker) => worker.getNotifications())"
        words = f"{shown}.then((notes) => notes.map(({{ title, body, tag }}) => [title, body, tag]))"
        notes = page.evaluate(words)
        for _try in range(100):  # while the second takes the place of the first, for a moment there is none
            if notes == [["Maria", "Hello", "desk-1"]]:
                break
            page.wait_for_timeout(100)
            notes = page.evaluate(words)
        assert notes == [["Maria", "Hello", "desk-1"]]
    finally:
        whole.close()


# --- What the service worker does -------------------------------------------------------------------------------------
WORKER = """
    ([source, state]) => {
      window.did = { shown: [], opened: [], posted: [], focused: 0, fetched: [] };
      const handlers = {};
      const shown = [];
      const pages = state.pages.map((page) => ({
        ...page,
        postMessage: (message) => did.posted.push(message),
        focus: async () => { did.focused += 1; },
      }));
      const self = {
        location: new URL("https://desk.example/service-worker.js"),
        addEventListener: (name, act) => { handlers[name] = act; },
        skipWaiting: async () => { did.skipped = true; },
        clients: {
          claim: async () => { did.claimed = true; },
          matchAll: async () => pages,
          openWindow: async (url) => did.opened.push(url),
        },
        registration: {
          getNotifications: async ({ tag }) => shown.filter((note) => note.tag === tag),
          showNotification: async (title, options) => {
            did.shown.push({ title, ...options });
            shown.splice(0, shown.length, ...shown.filter((note) => note.tag !== options.tag));
            shown.push({ title, ...options, close() {} });
          },
        },
      };
      const answers = [...state.answers];
      const fetch = async (url, options) => {
        did.fetched.push([url, Object.fromEntries(options.body), options.credentials]);
        const next = answers.shift();
        if (next === "away") throw new TypeError("away");
        const status = next?.status ?? 204;
        return new Response(status === 204 ? null : JSON.stringify(next.body),
          { status, headers: { "content-type": "application/json" } });
      };
      const setTimeout = (act) => act();
      new Function("self", "fetch", "setTimeout", source)(self, fetch, setTimeout);
      window.fire = async (name, event) => {
        const waits = [];
        handlers[name]({ ...event, waitUntil: (promise) => waits.push(promise) });
        await Promise.all(waits);
        return did;
      };
    }
"""
CONTENT: dict[str, Any] = {
    "id": 7, "title": "Maria", "body": "Hello", "tag": "desk-1", "url": "/inbox/5/", "lang": "en", "dir": "ltr",
    "reply": {"url": "/inbox/push-reply/", "token": "t", "label": "Reply", "hint": "…", "failed": "Not sent",
              "again": "Try again"},
}  # fmt: skip
INBOX = {"url": "https://desk.example/inbox/3/", "focused": False}


class Worker:
    """The service worker's script in a page, with the browser around it invented."""

    def __init__(self, page: Page, source: str, pages: list[dict[str, Any]], answers: list[Any]) -> None:
        self.page = page
        page.evaluate(WORKER, [source, {"pages": pages, "answers": answers}])

    def push(self, content: dict[str, Any]) -> dict[str, Any]:
        return self.page.evaluate("content => fire('push', { data: { json: () => content } })", content)

    def click(self, content: dict[str, Any], action: str = "", reply: str = "") -> dict[str, Any]:
        return self.page.evaluate(
            "([data, action, reply]) => "
            "fire('notificationclick', { action, reply, notification: { data, close() {} } })",
            [content, action, reply],
        )


@pytest.fixture
def worker(browser: Browser, demo: RunningDesk) -> Iterator[Callable[..., Worker]]:
    context = browser.new_context()
    source = context.request.get(f"{demo.url}/service-worker.js").text()

    def make(*pages: dict[str, Any], answers: list[Any] | None = None) -> Worker:
        return Worker(context.new_page(), source, list(pages), answers or [])

    yield make
    context.close()


def test_it_takes_the_place_of_an_older_one_at_once(worker: Callable[..., Worker]) -> None:
    page = worker().page
    page.evaluate("fire('install', {})")
    assert page.evaluate("fire('activate', {}).then((did) => [did.skipped, did.claimed])") == [True, True]


def test_a_message_is_shown_unless_somebody_looks_at_the_inbox(worker: Callable[..., Worker]) -> None:
    [note] = worker(INBOX).push(CONTENT)["shown"]
    assert (note["title"], note["body"], note["tag"]) == ("Maria", "Hello", "desk-1")
    assert note["actions"][0]["type"] == "text"
    assert worker({**INBOX, "focused": True}).push(CONTENT)["shown"] == []
    assert len(worker({**INBOX, "focused": True}).push({**CONTENT, "always": True})["shown"]) == 1
    settings = {"url": "https://desk.example/accounts/", "focused": True}
    assert len(worker(settings).push(CONTENT)["shown"]) == 1


def test_a_repetition_makes_no_second_noise(worker: Callable[..., Worker]) -> None:
    made = worker()
    made.push(CONTENT)
    shown = made.push(CONTENT)["shown"]
    assert [(note["silent"], note["renotify"]) for note in shown] == [(False, False), (True, False)]
    assert made.push({**CONTENT, "id": 8})["shown"][2]["renotify"] is True
    assert len(made.push(CONTENT)["shown"]) == 3, "the older one comes late"


def test_a_click_uses_an_open_page_or_opens_one(worker: Callable[..., Worker]) -> None:
    did = worker(INBOX).click(CONTENT)
    assert did["posted"] == [{"kind": "open", "url": "/inbox/5/", "writes": False}]
    assert (did["focused"], did["opened"]) == (1, [])
    assert worker().click(CONTENT)["opened"] == ["https://desk.example/inbox/5/"]
    assert worker().click({**CONTENT, "url": "https://evil.example/"})["opened"] == []
    assert worker(INBOX).click(CONTENT, "reply")["posted"][0]["writes"] is True


def test_a_reply_is_sent_again_until_it_is_taken_and_kept_when_it_is_not(worker: Callable[..., Worker]) -> None:
    sent = ["/inbox/push-reply/", {"token": "t", "text": "On its way"}, "same-origin"]
    did = worker(answers=["away", {"status": 503, "body": {}}]).click(CONTENT, "reply", "On its way")
    assert (did["fetched"], did["shown"]) == ([sent] * 3, [])
    did = worker(answers=["away"] * 3).click(CONTENT, "reply", "On its way")
    [note] = did["shown"]
    assert (note["title"], note["body"], note["requireInteraction"]) == ("Not sent", "On its way", True)
    again = worker().click(note["data"], "again")
    assert again["fetched"] == [sent]
    refused = {"status": 409, "body": {"reason": "Too late. It is a draft.", "kept": True}}
    [note] = worker(answers=[refused]).click(CONTENT, "reply", "On its way")["shown"]
    assert (note["body"], note["actions"]) == ("Too late. It is a draft.", [])

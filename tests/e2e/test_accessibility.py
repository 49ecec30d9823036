"""WCAG 2.1 at levels A and AA, light and dark, as far as axe-core can check it; the rest with the keyboard."""

from collections.abc import Callable, Hashable, Iterator
from dataclasses import dataclass
from typing import Any

import pytest
from playwright.sync_api import Browser, Page, expect

from tests.e2e import data, sample_messages, workspace_states
from tests.e2e.accessibility import FITS, assert_accessible, assert_fits
from tests.e2e.customers import Customer
from tests.e2e.page_objects import DESKTOP, PHONE, SOON_MS, Inbox, log_in, report_errors
from tests.e2e.processes import RunningDesk
from tests.e2e.sample_messages import LAST_WORDS

pytestmark = [pytest.mark.browser, pytest.mark.processes, pytest.mark.any_database, pytest.mark.slow]
# Whether the focus can be seen: on the element, or on the label that stands for it.
FOCUS = """() => {
  const element = document.activeElement;
  const shows = (one) => {
    const {boxShadow, outlineStyle} = one ? getComputedStyle(one) : {boxShadow: "none", outlineStyle: "none"};
    return boxShadow !== "none" || outlineStyle !== "none";
  };
  // players show it on their own buttons, which nobody else can see
  const seen = element.matches("audio, video") || [element, element.closest("label, .composer")].some(shows);
  return {what: element.outerHTML.slice(0, 120), seen, atStart: element === document.body};
}"""


@dataclass
class Furnished:
    """A Desk with a customer whose conversation has a message of each kind."""

    desk: RunningDesk
    customer: Customer


@pytest.fixture
def furnished(demo: RunningDesk) -> Furnished:
    """Return the shared Desk; the first test here adds the messages."""

    def furnish() -> Customer:
        customer = Customer(demo)
        customer.writes("So that the journal has a line")
        demo.call(sample_messages.make, customer.conversation)
        return customer

    return Furnished(demo, demo.once("a message of each kind", furnish))


@pytest.fixture
def ids(furnished: Furnished) -> Iterator[dict[str, int]]:
    """Return ids for the addresses of Setup. A webhook, an API token and a canned reply exist during the test."""
    made = furnished.desk.call(data.furnish_setup, furnished.customer.conversation)
    yield made
    furnished.desk.call(data.unfurnish_setup, made)


@pytest.fixture(scope="module")
def opened(browser: Browser) -> Iterator[tuple[dict[Hashable, Page], list[str]]]:
    """Keep pages open from test to test, with the errors on them."""
    pages: dict[Hashable, Page] = {}
    yield pages, []
    for page in pages.values():
        page.context.close()


@pytest.fixture
def people(
    browser: Browser, demo: RunningDesk, opened: tuple[dict[Hashable, Page], list[str]]
) -> Iterator[Callable[..., Page]]:
    """Return a function that returns the page of a user, logged in once, on a desktop or a phone; "" is nobody.

    A violation of the content security policy or a script error fails the test during which it happened.
    """
    pages, errors = opened

    def page_of(username: str, *, on_a_phone: bool = False) -> Page:
        key = (demo, username, on_a_phone)
        if key not in pages:
            size: dict[str, Any] = (
                {"viewport": PHONE, "has_touch": True, "is_mobile": True} if on_a_phone else {"viewport": DESKTOP}
            )
            pages[key] = browser.new_context(**size, reduced_motion="reduce").new_page()
            report_errors(pages[key], errors, of_evaluated_code=False)  # axe-core sets styles
            if username:
                log_in(pages[key], demo, username)
        return pages[key]

    yield page_of
    found = list(errors)
    errors.clear()
    assert not found, found


def assert_loads(page: Page, url: str) -> None:
    """Open the URL and check that the answer is no error."""
    answer = page.goto(url)
    assert answer is not None
    assert answer.ok


def open_thread(page: Page, furnished: Furnished) -> None:
    page.goto(f"{furnished.desk.url}/inbox/{furnished.customer.conversation}/")
    expect(page.locator("#composer")).to_be_visible(timeout=SOON_MS)
    expect(Inbox(page, furnished.desk).bubble(LAST_WORDS)).to_be_visible(timeout=SOON_MS)


# --- The workspace ----------------------------------------------------------------------------------------------------
@pytest.mark.parametrize("state", workspace_states.ALL)
def test_the_workspace(people: Callable[..., Page], furnished: Furnished, state: Callable[[Page], str]) -> None:
    page = people("alice")
    open_thread(page, furnished)
    assert_accessible(page, state(page))


def test_the_inbox_with_nothing_chosen(people: Callable[..., Page], furnished: Furnished) -> None:
    page = people("alice")
    Inbox(page, furnished.desk).open()
    expect(page.locator(".row-item").first).to_be_visible()
    assert_accessible(page)


@pytest.mark.parametrize(
    "state", [None, workspace_states.thread, workspace_states.composer_with_errors, workspace_states.emoji]
)
def test_the_workspace_on_a_phone(
    people: Callable[..., Page], furnished: Furnished, state: Callable[[Page], str] | None
) -> None:
    page = people("alice", on_a_phone=True)
    Inbox(page, furnished.desk).open()
    part = "html"
    if state:
        open_thread(page, furnished)
        part = state(page)
    assert_accessible(page, part)
    assert_fits(page)


PAGES = [
    "/tickets/", "/tickets/{ticket}/", "/contacts/", "/contacts/{contact}/", "/contacts/{contact}/same-person/",
    "/contacts/{contact}/same-person/?with={twin}",
]  # fmt: skip


@pytest.mark.parametrize("address", PAGES)
def test_tickets_and_contacts(people: Callable[..., Page], furnished: Furnished, address: str) -> None:
    ids = furnished.desk.once(
        "a person on two Pages", lambda: furnished.desk.call(data.make_twin, furnished.customer.conversation)
    )
    page = people("admin")
    page.set_viewport_size(DESKTOP)
    assert_loads(page, furnished.desk.url + address.format(**ids))
    assert_accessible(page)
    page.set_viewport_size(PHONE)
    assert_fits(page)


# --- Setup and the sandbox --------------------------------------------------------------------------------------------
IM, PROGRAMS = "/admin/instant-messaging/", "/admin/programs/"
SETUP = [
    f"{IM}messenger/go-live/", f"{IM}messenger/go-live/privacy-policy/", f"{IM}messenger/go-live/test/",
    "/admin/", f"{IM}messenger/", f"{IM}messenger/add/", f"{IM}messenger/{{channel}}/",
    f"{IM}messenger/{{channel}}/deactivate/", f"{IM}messenger/{{channel}}/delete/", f"{IM}preferences/",
    f"{IM}preferences/assignment/",
    f"{IM}preferences/{{department}}/agents/{{agent}}/", f"{IM}health/", f"{IM}journal/", f"{IM}journal/{{delivery}}/",
    f"{PROGRAMS}events/", f"{PROGRAMS}events/{{subscription}}/", f"{PROGRAMS}tokens/", "/admin/tickets/contact/",
    "/admin/tickets/contact/{contact}/erase/", "/admin/desk/department/",
    "/admin/desk/department/{other_department}/delete/", "/admin/people/", "/admin/people/invite/",
    "/admin/people/{user}/", "/admin/people/{other_user}/deactivate/", "/admin/people/import/", "/admin/people/roles/",
    "/admin/people/roles/add/", "/admin/canned-replies/", "/admin/canned-replies/add/", "/admin/canned-replies/import/",
    "/admin/macros/", "/admin/macros/add/", "/accounts/macros/", "/accounts/macros/add/",
    "/admin/canned-replies/{canned}/", "/admin/labels/", "/admin/labels/add/", "/admin/fields/",
    "/admin/fields/add/", "/admin/desk/auditentry/",
    "/admin/tickets/erasure/", "/admin/channels_im/datarequest/", "/admin/desk/department/{department}/change/",
    "/accounts/", "/accounts/email/", "/accounts/sessions/", "/accounts/linked-facebook/",
    "/accounts/canned-replies/add/", "/accounts/notifications/", "/inbox/views/",
]  # fmt: skip


@pytest.mark.parametrize("address", SETUP)
def test_setup(people: Callable[..., Page], furnished: Furnished, ids: dict[str, int], address: str) -> None:
    page = people("admin")
    page.set_viewport_size(DESKTOP)
    assert_loads(page, furnished.desk.url + address.format(**ids))
    assert_accessible(page)
    page.set_viewport_size(PHONE)
    assert_fits(page)


@pytest.mark.parametrize("language", ["de", "fr", "es", "ar"])
def test_other_languages(
    browser: Browser, people: Callable[..., Page], furnished: Furnished, ids: dict[str, int], language: str
) -> None:
    """Longer words fit on a phone, and what is mirrored stays accessible."""
    known = people("admin").context.storage_state()
    context = browser.new_context(locale=language, storage_state=known, viewport=PHONE, reduced_motion="reduce")
    page, errors = context.new_page(), list[str]()
    report_errors(page, errors, of_evaluated_code=False)
    wide, direction = [], "rtl" if language == "ar" else "ltr"
    contact = f"/contacts/{ids['contact']}/"
    workspace = ("/inbox/", f"/inbox/{furnished.customer.conversation}/", "/tickets/", "/contacts/", contact)
    for address in (*workspace, *(address.format(**ids) for address in SETUP)):
        assert_loads(page, furnished.desk.url + address)
        assert page.evaluate("[document.documentElement.lang, document.dir]") == [language, direction], address
        if not page.evaluate(FITS):
            wide.append(address)
        if language == "ar":
            assert_accessible(page)
    context.close()
    assert (wide, errors) == ([], [])


@pytest.mark.parametrize("address", ["/", "/messenger/?as=tom&page=101000000000001", "/faults/", "/traffic/"])
def test_the_sandbox(people: Callable[..., Page], furnished: Furnished, address: str) -> None:
    page = people("")
    page.set_viewport_size(DESKTOP)
    assert_loads(page, f"{furnished.desk.sandbox_url}{address}")
    assert_accessible(page)
    page.set_viewport_size(PHONE)
    assert_fits(page)


@pytest.mark.parametrize("address", ["/privacy/", "/privacy/data-deletion/"])
def test_the_public_pages(people: Callable[..., Page], furnished: Furnished, address: str) -> None:
    furnished.desk.once("a privacy policy", lambda: furnished.desk.call(data.publish_privacy_policy))
    page = people("")
    page.set_viewport_size(DESKTOP)
    assert_loads(page, f"{furnished.desk.url}{address}")
    assert_accessible(page)
    page.set_viewport_size(PHONE)
    assert_fits(page)


def test_the_login_page_that_refused(people: Callable[..., Page], furnished: Furnished) -> None:
    page = people("")
    page.goto(f"{furnished.desk.url}/accounts/login/")
    page.get_by_label("Username").fill("nobody")
    page.get_by_label("Password").fill("wrong")
    page.get_by_role("button", name="Log in").click()
    expect(page.get_by_text("not correct")).to_be_visible()
    assert_accessible(page)
    page.set_viewport_size(PHONE)
    assert_fits(page)


# --- What axe-core cannot see -----------------------------------------------------------------------------------------
def test_the_parts_of_the_workspace_have_names(people: Callable[..., Page], furnished: Furnished) -> None:
    page = people("alice")
    open_thread(page, furnished)
    for part in (
        page.get_by_role("navigation", name="Desk", exact=True),
        page.get_by_role("region", name="Conversations", exact=True),
        page.get_by_role("search"),
        page.get_by_role("navigation", name="Views", exact=True),
        page.get_by_role("list", name="Open", exact=True),
        page.get_by_role("main", name=f"Conversation with {furnished.customer.name}", exact=True),
        page.get_by_role("complementary", name="Details", exact=True),
    ):
        expect(part).to_be_visible()
    log = page.get_by_role("log", name="Messages")
    expect(log).to_have_attribute("aria-live", "polite")
    expect(log).to_have_attribute("aria-relevant", "additions")


def test_the_focus_can_be_seen_everywhere_and_reaches_the_composer_and_the_details(
    people: Callable[..., Page], furnished: Furnished
) -> None:
    page = people("alice")
    page.goto(f"{furnished.desk.url}/inbox/{furnished.customer.conversation}/")
    expect(page.locator("#composer")).to_be_visible()
    page.evaluate("document.activeElement.blur()")
    page.keyboard.press("Tab")
    expect(page.get_by_role("link", name="Skip to the conversation")).to_be_focused()
    places = []
    for _ in range(800):
        place = page.evaluate(FOCUS)
        if place["atStart"]:
            break
        places.append(place)
        page.keyboard.press("Tab")
    assert not [place["what"] for place in places if not place["seen"]]
    visited = " ".join(place["what"] for place in places)
    for part in (
        'id="search"',
        "row__pick",
        'id="grip"',
        'id="items"',
        "data-lightbox",
        "data-quote",
        'id="composer-text"',
        "data-emoji",
        "data-toggle-details",
    ):
        assert part in visited, part


def test_what_opens_takes_the_focus_keeps_it_and_gives_it_back(
    people: Callable[..., Page], furnished: Furnished
) -> None:
    page = people("alice")
    open_thread(page, furnished)
    for opener, name in (
        (page.get_by_role("button", name="Keyboard shortcuts"), "Keyboard shortcuts"),
        (page.get_by_role("button", name="Command bar"), "Command bar"),
        (page.locator("#items [data-lightbox]"), "Image"),
    ):
        opener.focus()
        page.keyboard.press("Enter")
        dialog = page.get_by_role("dialog", name=name)
        expect(dialog.locator(":focus")).to_have_count(1)
        for _ in range(8):
            page.keyboard.press("Tab")  # after the last one come the browser's own buttons, then the first
            assert dialog.evaluate("one => document.activeElement === document.body || one.matches(':focus-within')")
        page.keyboard.press("Escape")
        expect(dialog).to_be_hidden()
        expect(opener).to_be_focused()


def test_what_is_open_beside_the_rest_closes_with_escape_or_when_the_focus_goes_on(
    people: Callable[..., Page], furnished: Furnished
) -> None:
    page = people("alice")
    open_thread(page, furnished)
    menu, inside = page.locator("#more-menu > summary"), page.get_by_role("button", name="Mark as unread")
    menu.focus()
    page.keyboard.press("Enter")
    expect(inside).to_be_visible()
    page.keyboard.press("Escape")
    expect(inside).to_be_hidden()
    expect(menu).to_be_focused()

    emoji, panel = page.get_by_role("button", name="Emoji"), page.get_by_role("dialog", name="Emoji")
    for key in ("Escape", "Shift+Tab"):
        emoji.focus()
        page.keyboard.press("Enter")
        expect(panel.locator(":focus")).to_have_count(1)
        page.keyboard.press(key)
        expect(panel).to_be_hidden()
    expect(page.locator("#composer :focus")).to_have_count(1)


def test_a_menu_of_setup_closes_with_escape_and_behind_a_dialog(
    people: Callable[..., Page], furnished: Furnished
) -> None:
    page = people("admin")
    page.set_viewport_size(DESKTOP)
    page.goto(f"{furnished.desk.url}{IM}messenger/")
    menu, inside = page.locator("details.dots > summary").first, page.get_by_role("link", name="Delete Channel").first
    menu.click()
    expect(inside).to_be_visible()
    page.keyboard.press("Escape")
    expect(inside).to_be_hidden()
    expect(menu).to_be_focused()
    menu.click()
    inside.click()
    expect(page.get_by_role("dialog")).to_be_visible()
    expect(inside).to_be_hidden()
    page.keyboard.press("Escape")
    expect(page.get_by_role("dialog")).to_have_count(0)
    expect(menu).to_be_focused()

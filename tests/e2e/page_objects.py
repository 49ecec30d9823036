"""Page objects: what a person sees and does on a page, independent of its markup."""

import re
import time

from playwright.sync_api import ConsoleMessage, Locator, Page, ViewportSize, expect

from tests.e2e.processes import RunningDesk

PASSWORD = "desk-demo"
DESKTOP: ViewportSize = {"width": 1440, "height": 900}
PHONE: ViewportSize = {"width": 390, "height": 844}
FRESH_S = 200  # Desk asks for the password again before dangerous actions when it was given 300 seconds ago
SOON_MS = 30_000  # generous: the benchmark measures speed


def log_in(page: Page, desk: RunningDesk, username: str) -> None:
    """Log in through the login page; later pages of the same user reuse the session while it is fresh."""
    since, cookies = desk.sessions.get(username, (0.0, []))
    if cookies and time.monotonic() - since < FRESH_S:
        page.context.add_cookies(cookies)
        return
    page.context.clear_cookies()  # who is logged in sees no login page
    page.goto(f"{desk.url}/accounts/login/")
    page.locator("input[name=login]").fill(username)  # by its name: the browser may speak another language
    password = page.locator("input[name=password]")
    password.fill(PASSWORD)
    password.press("Enter")
    page.wait_for_url(lambda address: "/accounts/login/" not in address)
    desk.sessions[username] = (time.monotonic(), page.context.cookies(desk.url))


def report_errors(page: Page, errors: list[str], *, of_evaluated_code: bool = True) -> None:
    """Add script errors and violations of the content security policy on the page to `errors`.

    Without `of_evaluated_code`, violations of code that the test evaluates on the page do not count.
    """

    def read_console(line: ConsoleMessage) -> None:
        if "Content Security Policy" in line.text and (of_evaluated_code or line.location["url"]):
            errors.append(f"{line.text} {line.location}")

    page.on("pageerror", lambda error: errors.append(str(error)))
    page.on("console", read_console)


class MessengerWindow:
    """The sandbox's Messenger window, in which a person acts as the customer."""

    def __init__(self, page: Page, desk: RunningDesk) -> None:
        self.page, self.desk = page, desk

    def open(self, customer: str, facebook_page: str) -> None:
        """Act as `customer` (sandbox id) who writes to `facebook_page` (page id)."""
        self.page.goto(f"{self.desk.sandbox_url}/messenger/?as={customer}&page={facebook_page}")

    def write(self, text: str) -> None:
        self.page.get_by_label("Message", exact=True).fill(text)
        self.page.get_by_role("button", name="Send", exact=True).click()

    @property
    def thread(self) -> Locator:
        return self.page.get_by_role("log")

    def expect_text(self, text: str) -> None:
        expect(self.thread.get_by_text(text)).to_be_visible(timeout=SOON_MS)

    def expect_image(self, name: str) -> None:
        """Wait until an image with this name is in the thread and has loaded."""
        picture = self.thread.get_by_alt_text(name)
        expect(picture).to_be_visible(timeout=SOON_MS)
        expect(picture).to_have_js_property("complete", True)
        assert picture.evaluate("image => image.naturalWidth") > 0


class Inbox:
    """The agent's workspace."""

    def __init__(self, page: Page, desk: RunningDesk) -> None:
        self.page, self.desk = page, desk

    def open(self) -> None:
        self.page.goto(f"{self.desk.url}/inbox/")

    def row(self, name: str) -> Locator:
        return self.page.locator(".row-item").filter(has_text=name)

    def choose(self, name: str) -> None:
        """Open a conversation from the list."""
        self.row(name).get_by_role("link").click()
        expect(self.page.locator("#composer")).to_be_visible(timeout=SOON_MS)

    def bubble(self, text: str) -> Locator:
        return self.page.locator(".message").filter(has_text=text)

    def never_reloads(self) -> None:
        """Mark the page, for `expect_not_reloaded`: a reload removes the mark."""
        self.page.evaluate("window.desk_was_not_reloaded = true")

    def expect_not_reloaded(self) -> None:
        assert self.page.evaluate("window.desk_was_not_reloaded") is True

    def answer(self, text: str = "", files: list[str] | None = None) -> None:
        if text:
            self.page.locator("#composer-text").fill(text)
        if files:
            self.page.locator("#composer-files").set_input_files(files)
        self.page.locator("#composer-send").click()

    def expect_read(self, bubble: Locator) -> None:
        expect(bubble).to_have_attribute("data-state", "read", timeout=SOON_MS)

    def details(self) -> Locator:
        return self.page.locator(".details, #details").first


class HeldEvents:
    """Events of the live stream of one kind, kept from the pages that open from now on until they may pass."""

    def __init__(self, page: Page, kind: str) -> None:
        self.page = page
        page.add_init_script(f"""
            const held = [];
            const listen = EventSource.prototype.addEventListener;
            EventSource.prototype.addEventListener = function (kind, act) {{
                listen.call(this, kind, (event) => {{
                    if (kind !== "{kind}") return act(event);
                    held.push(() => act(event));
                    document.documentElement.dataset.held += event.data;
                }});
            }};
            window.letPass = () => held.splice(0).forEach((act) => act());
        """)

    def expect(self, text: str) -> None:
        """Wait for an event that contains the text."""
        expect(self.page.locator("html")).to_have_attribute("data-held", re.compile(re.escape(text)), timeout=SOON_MS)

    def let_pass(self) -> None:
        self.page.evaluate("letPass()")


class FacebookDialog:
    """The login of the sandbox, as Facebook shows it to the administrator."""

    def __init__(self, page: Page) -> None:
        self.page = page

    def log_in(self, email: str, password: str) -> None:
        self.page.get_by_label("Email address").fill(email)
        self.page.get_by_label("Password").fill(password)
        self.page.get_by_role("button", name="Log in", exact=True).click()

    def grant_all_pages(self) -> None:
        """Continue, tick every Page, leave all permissions on, Done."""
        self.page.get_by_role("button", name=re.compile("Continue as")).click()
        self.page.get_by_role("button", name="Select all").click()
        self.page.get_by_role("button", name="Next").click()
        self.page.get_by_role("button", name="Done").click()


class Setup:
    """The administrator's pages of Instant Messaging, opened through their links."""

    def __init__(self, page: Page, desk: RunningDesk) -> None:
        self.page, self.desk = page, desk

    def go_to_messenger(self) -> None:
        """Setup → Instant Messaging → Configure (Messenger)."""
        self.page.goto(f"{self.desk.url}/admin/")
        self.page.get_by_role("link", name="Instant Messaging").first.click()
        self.page.get_by_role("link", name="Configure").first.click()
        expect(self.page.get_by_role("heading", name="Messenger")).to_be_visible()

    def create_channel(self, *, icon: str, name: str, facebook_page: str, department: str) -> None:
        self.page.get_by_label(re.compile("icon", re.IGNORECASE)).first.set_input_files(icon)
        self.page.get_by_label("Name").fill(name)
        self.page.get_by_label(facebook_page).check()
        self.page.get_by_label("Department").select_option(label=department)
        self.page.get_by_role("button", name="Save").click()

    def associate(self, department: str, agent: str, channel: str) -> None:
        """Preferences → department → Associate Channel beside the agent → tick → Save."""
        self.page.goto(f"{self.desk.url}/admin/instant-messaging/preferences/")
        self.page.get_by_label("Department").select_option(label=department)
        row = self.page.get_by_role("row").filter(has_text=agent)
        row.get_by_text("Associate Channel").click()
        self.page.get_by_label(channel).check()
        self.page.get_by_role("button", name="Save").last.click()
        expect(self.page.get_by_role("row").filter(has_text=agent)).to_contain_text(channel)

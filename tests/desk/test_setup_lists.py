"""The lists of Setup: the same words everywhere, search, chips, pages, and as few queries for many rows as for few."""

import re
from collections.abc import Callable

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from channels_im.models import DataRequest, WebhookDelivery
from desk import setup_lists
from desk.models import Department
from tests.factories import (
    make_admin,
    make_agent,
    make_channel,
    make_conversation,
    make_department,
    make_token,
    make_user,
)
from tests.pages import html_of
from tickets.models import CannedReply, CustomField, Erasure, EventSubscription, Label, Macro

pytestmark = pytest.mark.django_db
STOCK = re.compile(r"Staff status|Object repr|Select .* to (view|change)|\b0 (data requests|erasure log|customers)\b")


@pytest.fixture
def setup() -> Client:
    client = Client()
    client.force_login(make_admin())
    return client


def make_request(number: int) -> None:
    DataRequest.objects.create(
        kind="deletion", facebook_user_id=f"77{number}", confirmation_code=f"code{number}", issued_at=timezone.now()
    )


def make_receipt(number: int) -> None:
    Erasure.objects.create(page=make_channel().page, confirmation_code=f"receipt{number}", person=str(number))


#: Each list, and what makes one more row of it.
LISTS: dict[str, Callable[[int], object]] = {
    "/admin/desk/department/": lambda number: make_agent(departments=(make_department(f"Department no. {number}"),)),
    "/admin/canned-replies/": lambda number: CannedReply.objects.create(
        shortcut=f"s{number}", title="Title", text="Text", department=make_department(), created_by=make_user()
    ),
    "/admin/labels/": lambda number: Label.objects.create(
        name=f"l{number}", key=f"l{number}", department=make_department()
    ),
    "/admin/macros/": lambda number: Macro.objects.create(
        name=f"m{number}", key=f"m{number}", department=make_department(), actions=[{"do": "close"}]
    ),
    "/admin/fields/": lambda number: CustomField.objects.create(
        of="ticket", kind="text", name=f"f{number}", key=f"f{number}", department=make_department()
    ),
    "/admin/tickets/contact/": lambda _number: make_conversation(make_channel()),
    "/admin/tickets/erasure/": make_receipt,
    "/admin/channels_im/datarequest/": make_request,
    "/admin/programs/tokens/": lambda _number: make_token(make_agent()),
    "/admin/programs/events/": lambda number: EventSubscription.objects.create(
        name=f"Hook {number}", url="https://crm.example/", secret="x", events=[]
    ),
    "/admin/people/": lambda _number: make_agent(channels=(make_channel(),)),
    "/admin/instant-messaging/journal/": lambda _number: WebhookDelivery.objects.create(body=b"{}"),
    "/admin/desk/auditentry/": lambda number: None,
}


def rows_of(html: str) -> int:
    return html.partition("<tbody>")[2].partition("</tbody>")[0].count("<tr")


@pytest.mark.slow
def test_menu_title_and_breadcrumb_say_the_same_words(setup: Client) -> None:
    home = setup.get("/admin/")
    lines = [line for section in home.context["setup_menu"] for line in section["lines"]]
    lines += [child for line in lines for child in line["children"]]
    assert len(lines) > 15
    for line in lines:
        if line["url"] == "/admin/":
            continue
        page = html_of(setup.get(line["url"]))
        assert f"<title>{line['label']} · Desk Setup</title>" in page, line
        assert re.search(rf"<h1>\s*{line['label']}\s*</h1>", page), line
        assert re.search(rf"› {line['label']} ?</div>", page), line
        assert f'aria-current="page">{line["label"]}</a>' in page or line["children"], line
        assert not STOCK.search(page), line


@pytest.mark.parametrize("url", LISTS)
def test_a_list_takes_the_same_queries_for_many(setup: Client, url: str) -> None:
    counts = []
    for size in (2, 4):
        for number in range(size):
            LISTS[url](10 * size + number)
        with CaptureQueriesContext(connection) as queries:
            html = html_of(setup.get(url))
        counts.append(len(queries))
        assert rows_of(html) or url == "/admin/desk/auditentry/"
    assert counts[0] == counts[1]


@pytest.mark.parametrize("url", [url for url in LISTS if url not in ("/admin/people/", "/admin/desk/auditentry/")])
def test_an_empty_list_says_what_to_do_and_has_no_filters(setup: Client, url: str) -> None:
    page = html_of(setup.get(url))
    content = page[page.index('id="content-main"') :]
    assert 'class="empty"' in content
    assert 'class="chip' not in content
    assert 'role="search"' not in content
    assert content.count("button--primary") <= 1


@pytest.mark.parametrize("url", [url for url in LISTS if url != "/admin/desk/auditentry/"])
def test_every_list_has_pages(setup: Client, url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(setup_lists.Asked.newest_of, "__defaults__", (2, ""))
    monkeypatch.setattr(setup_lists.Asked.page_of, "__defaults__", (2,))
    monkeypatch.setattr("channels_im.setup.journal.PER_PAGE", 2)
    for number in range(5):
        LISTS[url](number)
    seen, address, pages = 0, url, 0
    while address and pages < 10:
        page = html_of(setup.get(address))
        seen, pages = seen + rows_of(page), pages + 1
        found = re.search(r'href="(\?[^"]+)">(?:Older|Next)</a>', page)
        address = url + found[1].replace("&amp;", "&") if found else ""
    everybody = 6 if url == "/admin/people/" else 5
    assert (seen, pages) == (everybody, 3)


def test_chips_keep_the_search_and_the_other_filters(setup: Client) -> None:
    for number in range(2):
        make_request(number)
    page = html_of(setup.get("/admin/channels_im/datarequest/?q=770&state=received"))
    assert rows_of(page) == 1
    assert 'href="?q=770&amp;kind=deletion&amp;state=received"' in page
    assert 'name="state" value="received"' in page
    assert "Nothing matches" in html_of(setup.get("/admin/channels_im/datarequest/?kind=deauthorize"))


def test_a_filter_that_does_not_exist_shows_all(setup: Client) -> None:
    make_request(1)
    for url in ("/admin/channels_im/datarequest/?kind=x", "/admin/tickets/contact/?page_id=99%20OR&state=psid"):
        assert setup.get(url).status_code == 200
    assert rows_of(html_of(setup.get("/admin/channels_im/datarequest/?before=99999999999999999999"))) == 1


def test_the_form_of_a_department_is_ours(setup: Client) -> None:
    department = make_department("Care")
    page = html_of(setup.get(f"/admin/desk/department/{department.pk}/change/"))
    assert "<h1>Care</h1>" in page
    assert "Save and continue" not in page
    answer = setup.post(f"/admin/desk/department/{department.pk}/change/", {"name": ""})
    assert "Nothing was saved." in html_of(answer)
    setup.post(f"/admin/desk/department/{department.pk}/change/", {"name": "Sales"})
    assert Department.objects.get().name == "Sales"
    assert "Whole history" in html_of(setup.get(f"/admin/desk/department/{department.pk}/change/"))


@pytest.mark.parametrize("query", ["before=1", "after=999999999"])
@pytest.mark.parametrize(
    "path", ["tickets/contact", "tickets/erasure", "channels_im/datarequest", "instant-messaging/journal"]
)
def test_a_page_next_to_rows_that_were_deleted_is_the_first_page(setup: Client, path: str, query: str) -> None:
    LISTS[f"/admin/{path}/"](1)
    assert rows_of(html_of(setup.get(f"/admin/{path}/?{query}"))) == 1

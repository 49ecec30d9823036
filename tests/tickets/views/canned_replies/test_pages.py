"""Canned replies: shared ones in Setup, personal ones in the account, their preview, use, import and export."""

import io
import re
import threading
import time

import pytest
from django.contrib.auth.models import Permission
from django.db import IntegrityError, connection, transaction
from django.test import Client

from desk.models import AuditEntry, User
from tests.database_faults import someone_waits_for_us
from tests.factories import make_admin, make_agent, make_department, make_user
from tests.http import Response
from tests.pages import html_of
from tests.tickets.api.conftest import client_of as token_client
from tickets.models import CannedReply, Conversation

pytestmark = pytest.mark.django_db
LIST = "/admin/canned-replies/"
OWN = "/accounts/canned-replies/"


def client_of(user: User) -> Client:
    client = Client()
    client.force_login(user)
    return client


def form(**changes: object) -> dict[str, object]:
    return {
        "shortcut": "hello",
        "title": "Greeting",
        "folder": "Start",
        "department": "",
        "text": "Hi {{first_name}}!",
    } | changes


def make_reply(shortcut: str, **fields: object) -> CannedReply:
    values = {"title": shortcut.title(), "text": f"Text of {shortcut}"} | fields
    return CannedReply.objects.create(shortcut=shortcut, **values)


def upload(client: Client, text: str) -> Response:
    return client.post(f"{LIST}import/", {"file": io.BytesIO(text.encode())})


# --- Shared, in Setup
def test_a_reply_is_added_changed_and_deleted(setup: Client) -> None:
    care = make_department("Care")
    assert setup.post(f"{LIST}add/", form(department=care.pk))["Location"] == LIST
    reply = CannedReply.objects.get()
    assert (reply.folder, reply.department, reply.owner) == ("Start", care, None)
    assert str(reply.created_by) == "admin"
    page = html_of(setup.get(LIST))
    for part in ("/hello</a>", "Greeting", "Start", "Care", "0 times", "Never"):
        assert part in page
    setup.post(f"{LIST}{reply.pk}/", form(text="Good morning", title=""))
    reply.refresh_from_db()
    assert (reply.text, reply.title, reply.department) == ("Good morning", "hello", None)
    assert "Changed title, department, text." in html_of(setup.get(f"{LIST}{reply.pk}/"))
    assert "Delete the canned reply" in html_of(setup.get(f"{LIST}{reply.pk}/delete/"))
    assert setup.post(f"{LIST}{reply.pk}/delete/")["Location"] == LIST
    assert not CannedReply.objects.exists()
    assert AuditEntry.objects.filter(object_name="/hello", action="deleted").exists()


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"shortcut": ""}, "Give it a shortcut"),
        ({"shortcut": "two words"}, "Use letters from a to z"),
        ({"text": " \n"}, "Write the text."),
        ({"shortcut": "taken"}, "There is a canned reply /taken already."),
    ],
)
def test_what_is_wrong_is_said_at_the_field(setup: Client, changes: dict[str, str], sentence: str) -> None:
    make_reply("taken")
    answer = setup.post(f"{LIST}add/", form(**changes))
    assert answer.status_code == 422
    assert sentence in html_of(answer)
    assert CannedReply.objects.count() == 1


def test_search_and_chips_narrow_the_list(setup: Client) -> None:
    care = make_department("Care")
    make_reply("hello", folder="Start", department=care)
    make_reply("hours", folder="Shop")
    make_reply("mine", owner=make_agent("alice"))

    def shown(query: str) -> set[str]:
        return set(re.findall(r">/(\w+)</a>", html_of(setup.get(f"{LIST}?{query}"))))

    assert shown("") == {"hello", "hours"}
    assert shown("q=text+hours") == {"hours"}
    assert shown("folder=Start") == {"hello"}
    assert shown(f"department={care.pk}") == {"hello"}
    assert shown("folder=Shop&q=hello") == set()
    assert "Nothing matches" in html_of(setup.get(f"{LIST}?q=nowhere"))


def test_an_empty_list_says_what_to_do(setup: Client) -> None:
    page = html_of(setup.get(LIST))
    assert "No canned reply yet" in page
    assert page.count('href="/admin/canned-replies/add/"') == 1
    assert 'type="search"' not in page


def test_the_preview_is_filled_with_a_customer_and_saves_nothing(setup: Client, conversation: Conversation) -> None:
    answer = setup.post(f"{LIST}add/", form(text="Hi {{ first_name }}, {{agent}} {{x}}", preview="yes"))
    assert answer.status_code == 200
    page = html_of(answer)
    assert "Hi Clara, admin {{x}}</p>" in page
    assert "Clara Zwetschge · Shop" in page
    assert not CannedReply.objects.exists()


def test_whoever_sees_no_customer_previews_with_an_invented_one(conversation: Conversation) -> None:
    writer = make_user("writer", is_staff=True)
    codenames = ["view_cannedreply", "add_cannedreply"]
    writer.user_permissions.set(Permission.objects.filter(codename__in=codenames))
    page = html_of(client_of(writer).post(f"{LIST}add/", form(preview="yes", conversation=conversation.pk)))
    assert "Hi Nina!" in page
    assert "Clara" not in page


@pytest.mark.parametrize(
    ("path", "codename"),
    [
        ("", "view"),
        ("add/", "add"),
        ("import/", "add"),
        ("export/", "view"),
        ("{pk}/", "change"),
        ("{pk}/delete/", "delete"),
    ],
)
def test_each_page_needs_its_permission(path: str, codename: str) -> None:
    url = f"{LIST}{path}".format(pk=make_reply("hello").pk)
    staff = make_user("staff", is_staff=True)
    assert client_of(make_agent()).get(url).status_code == 403
    assert client_of(staff).get(url).status_code == 403
    staff.user_permissions.set(Permission.objects.filter(codename=f"{codename}_cannedreply"))
    assert client_of(User.objects.get(pk=staff.pk)).get(url).status_code == 200


def test_the_former_addresses_lead_to_the_new_pages(setup: Client) -> None:
    reply = make_reply("hello")
    assert setup.get("/admin/tickets/cannedreply/")["Location"] == LIST
    assert setup.get(f"/admin/tickets/cannedreply/{reply.pk}/change/")["Location"] == f"{LIST}{reply.pk}/"
    assert setup.get(f"/admin/tickets/cannedreply/{reply.pk}/history/").status_code == 200


@pytest.mark.postgresql
@pytest.mark.django_db(transaction=True)
def test_of_two_who_save_the_same_shortcut_at_once_one_is_told(setup: Client) -> None:
    answers: list[Response] = []

    def save() -> None:
        answers.append(setup.post(f"{LIST}add/", form()))
        connection.close()

    thread = threading.Thread(target=save)
    with transaction.atomic():
        make_reply("hello")
        thread.start()
        while not someone_waits_for_us():
            assert thread.is_alive()
            time.sleep(0.01)
    thread.join()
    assert answers[0].status_code == 422
    assert "There is a canned reply /hello already." in html_of(answers[0])


# --- Import and export
def test_what_is_exported_can_be_imported(setup: Client) -> None:
    care = make_department("Care")
    make_reply("hello", folder="Start", department=care, text='=1+1, "quoted"\nsecond line')
    make_reply("quote", text="'-5° is cold'")
    make_reply("mine", owner=make_agent())
    answer = setup.get(f"{LIST}export/")
    assert answer["Content-Type"] == "text/csv; charset=utf-8"
    exported = answer.content.decode("utf-8-sig")
    assert "mine" not in exported
    assert "'=1+1" in exported  # no spreadsheet runs it
    CannedReply.objects.all().delete()
    page = html_of(upload(setup, exported))
    assert "<b>2 of 2</b> can be saved" in page
    assert not CannedReply.objects.exists()
    sent = exported.replace("\r\n", "\n").replace("\n", "\r\n")  # as a browser sends the text of a form
    setup.post(f"{LIST}import/", {"confirm": "yes", "text": sent})
    assert CannedReply.objects.get(shortcut="quote").text == "'-5° is cold'"
    reply = CannedReply.objects.get(shortcut="hello")
    assert (reply.shortcut, reply.folder, reply.department) == ("hello", "Start", care)
    assert reply.text == '=1+1, "quoted"\nsecond line'


def test_the_preview_says_what_happens_with_each_line(setup: Client) -> None:
    old = make_reply("hello", use_count=3)
    head = "shortcut;text;department\n"
    text = f"{head}hello;New text;\n/bye;Goodbye;\nbye;Again;\nno space;Text;\nempty;;\nlost;Text;Nowhere\n"
    page = html_of(upload(setup, text))
    for part in (
        "<b>2 of 6</b> can be saved",
        "Replaces the present one",
        "Is added",
        "Line 3 has the same shortcut.",
        "The shortcut must consist of",
        "The text is missing.",
        "There is no department “Nowhere”.",
    ):
        assert part in page
    setup.post(f"{LIST}import/", {"confirm": "yes", "text": text})
    assert set(CannedReply.objects.values_list("shortcut", "text")) == {("hello", "New text"), ("bye", "Goodbye")}
    old.refresh_from_db()
    assert old.use_count == 3


@pytest.mark.parametrize(("text", "sentence"), [("a;b\n", "Missing: shortcut, text."), ("shortcut,text\n", "no line")])
def test_a_file_that_is_none_is_refused(setup: Client, text: str, sentence: str) -> None:
    answer = upload(setup, text)
    assert answer.status_code == 422
    assert sentence in html_of(answer)


# --- Personal, in the account
def test_a_personal_reply_is_only_for_its_owner(conversation: Conversation) -> None:
    alice, bob = (
        make_agent("alice", channels=(conversation.channel,)),
        make_agent("bob", channels=(conversation.channel,)),
    )
    make_reply("hello")
    assert client_of(alice).post(f"{OWN}add/", form(text="Mine"))["Location"] == OWN
    own = CannedReply.objects.get(owner=alice)
    assert "/hello" in html_of(client_of(alice).get(OWN))
    assert "/hello" not in html_of(client_of(bob).get(OWN))
    for path in ("", "delete/"):
        for other in (bob, make_admin(f"admin{path[:1]}")):
            assert client_of(other).get(f"{OWN}{own.pk}/{path}").status_code == 404
            assert client_of(other).post(f"{OWN}{own.pk}/{path}", form()).status_code == 404
    assert client_of(make_admin("chief")).get(f"{LIST}{own.pk}/").status_code == 404
    inbox = f"/inbox/{conversation.pk}/"
    texts = [[each["text"] for each in client_of(user).get(inbox).context["canned"]] for user in (alice, bob)]
    assert texts == [["Mine", "Text of hello"], ["Text of hello"]]
    client_of(alice).post(f"{OWN}{own.pk}/delete/")
    assert not CannedReply.objects.filter(owner=alice).exists()


def test_a_shortcut_is_taken_once_for_all_and_once_for_each_owner() -> None:
    alice = make_agent("alice")
    make_reply("hello")
    make_reply("hello", owner=alice)
    for owner in (None, alice):
        with pytest.raises(IntegrityError), transaction.atomic():
            make_reply("hello", owner=owner)
    assert "There is a canned reply /hello already." in html_of(client_of(alice).post(f"{OWN}add/", form()))


def test_the_api_shows_nobody_the_replies_of_others() -> None:
    alice = make_agent("alice")
    make_reply("mine", owner=alice)
    make_reply("all")
    for user, shortcuts in ((alice, ["all", "mine"]), (make_admin(), ["all"]), (make_agent("bob"), ["all"])):
        rows = token_client(user).get("/api/v1/canned-replies/").json()["results"]
        assert sorted(row["shortcut"] for row in rows) == shortcuts


# --- Use
def test_a_reply_that_is_sent_counts_its_canned_replies(conversation: Conversation) -> None:
    alice = make_agent("alice", channels=(conversation.channel,))
    other = make_department("Other")
    used, personal = make_reply("hello"), make_reply("mine", owner=alice)
    foreign, elsewhere = make_reply("secret", owner=make_agent("bob")), make_reply("else", department=other)
    ids = [used.pk, personal.pk, foreign.pk, elsewhere.pk, used.pk, "x", "9" * 30]
    fields = {"text": "Hi Clara!", "canned": ids, "client_key": "key-1"}
    answer = client_of(alice).post(f"/inbox/{conversation.pk}/reply/", fields, headers={"HX-Request": "true"})
    assert answer.status_code == 200
    counts = dict(CannedReply.objects.values_list("shortcut", "use_count"))
    assert counts == {"hello": 1, "mine": 1, "secret": 0, "else": 0}
    used.refresh_from_db()
    assert used.last_used_at is not None

"""Search in the list, by whole requests: what it finds, what it must not find, and with which queries."""

import re
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from django.db import connection
from django.db.models import QuerySet
from django.test import Client
from django.test.utils import CaptureQueriesContext

from channels_im.models import Channel
from desk import searching
from desk.models import User
from tests.pages import html_of
from tickets.models import AttachmentTerms, Contact, ContactTerms, Conversation, Message, MessageTerms
from tickets.services.inbox import indexing, search
from tickets.services.privacy import erasure

from . import world
from .test_list import HX, ids


def found(client: Client, typed: str, **parameters: Any) -> list[int]:
    return ids(client.get("/inbox/list/", {"q": typed, **parameters}, headers=HX))


def page(client: Client, typed: str) -> str:
    return html_of(client.get("/inbox/list/", {"q": typed}, headers=HX))


@pytest.mark.parametrize(
    "typed",
    [
        "parcel",
        "PARC",
        "where parcel",
        "parcel where",
        '"parcel"',
        'parcel" OR "',
        "parcel -nothing",
        "parcel:",
        "(parcel",
        "parcel*",
        "^parcel",
        "parcel'; --",
        "parcel +where",
        "muller",
        "MÜLLER",
        "mu\u0308ller",
        "cafe",
        "café",
        "user@example",
        "example",
        "tracking-99",
        "99/a",
        "荷物",
        "物",
        "🎉",
        "🎉 parcel",
        "Ünsal",
        "unsal parcel",
        "parcel unsal",
        "zoe",
        "zoe unsal 99",
    ],
)
def test_a_conversation_is_found_by_its_words(alice: Client, desk: world.Desk, typed: str) -> None:
    wanted = world.make_conversation(desk.shop, "Zoë Ünsal")
    world.say(wanted, "Where is my parcel? Müller, café, user@example.org, tracking-99/a nothing 荷物はどこ 🎉 or <b>")
    world.say(world.make_conversation(desk.shop, "Tom Becker"), "Something else")
    assert found(alice, typed) == [wanted.pk]


@pytest.mark.parametrize(
    ("text", "typed"),
    [
        ("мой заказ пришёл", "мой"),
        ("мой заказ пришёл", "пришёл"),
        ("Ёлка ещё не пришла", "Ёлка"),
        ("Ёлка ещё не пришла", "ещё"),
        ("Καλημέρα, θέλω ποδήλατο", "ποδήλατο"),
        ("서울에서 주문한 자전거를", "서울 자전거"),
        ("أين طلبي", "أين"),
        ("iPhone充電器 は ありますか", "iPhone 充電器"),
        ("iPhone充電器 は ありますか", "iphone充電器"),
        ("ＡＢＣ１２３ を注文", "ABC123"),
        ("ＡＢＣ１２３ を注文", "abc"),
        ("ﾊﾞｯﾃﾘｰが切れた", "バッテリー"),
    ],
)
def test_what_people_write_in_another_way_is_found_in_messages_names_and_files(
    alice: Client, desk: world.Desk, text: str, typed: str
) -> None:
    said, named, sent = (world.make_conversation(desk.shop, name) for name in ("", text, ""))
    world.say(said, text)
    world.attach(world.say(sent, ""), f"{text}.pdf", state="refused")
    assert sorted(found(alice, typed)) == [said.pk, named.pk, sent.pk]


@pytest.mark.parametrize(
    "typed",
    ["arcel", "parcels", "parcel tom", "parcel AND", "NOT parcel", "NEAR(parcel where)", "x" * 5000, "text:parcel"],
)
def test_words_that_occur_nowhere_find_nothing(alice: Client, desk: world.Desk, typed: str) -> None:
    world.say(world.make_conversation(desk.shop, "Zoë Ünsal"), "Where is my parcel?")
    world.make_conversation(desk.shop, "Tom Becker")
    assert found(alice, typed) == []


@pytest.mark.parametrize("typed", ["%", "_", "'", '"', '""', "\\", "*", "-", "^", ":", "(", "#", "##", "\ud7ff"])
def test_signs_alone_break_nothing_and_stand_for_nothing_else(alice: Client, desk: world.Desk, typed: str) -> None:
    world.say(world.make_conversation(desk.shop, "Rosa Diaz"), "Hello")
    assert found(alice, typed) == []
    assert alice.get("/inbox/", {"q": f"\0{typed}"}).status_code == 200


def test_raised_digits_are_digits(alice: Client, desk: world.Desk) -> None:
    wanted = world.make_conversation(desk.shop, "Rosa Diaz")
    world.say(wanted, "Hello")
    wanted.refresh_from_db()
    number = "".join("⁰¹²³⁴⁵⁶⁷⁸⁹"[int(digit)] for digit in str(wanted.current_ticket_id))
    assert found(alice, number) == [wanted.pk]


def test_signs_are_found_as_they_are(alice: Client, desk: world.Desk) -> None:
    wanted = world.make_conversation(desk.shop, "Rosa Diaz")
    world.say(wanted, "100 % sure :-)")
    world.say(world.make_conversation(desk.shop, "Tom Becker"), "100 sure")
    assert found(alice, "%") == found(alice, ":-)") == [wanted.pk]


def test_all_words_stand_in_one_message(alice: Client, desk: world.Desk) -> None:
    wanted = world.make_conversation(desk.shop, "Rosa Diaz")
    world.say(wanted, "The red parcel")
    other = world.make_conversation(desk.shop, "Tom Becker")
    world.say(other, "The red one")
    world.say(other, "A parcel")
    assert found(alice, "red parcel") == [wanted.pk]


def test_notes_and_answers_are_found_and_say_what_they_are(alice: Client, desk: world.Desk) -> None:
    noted = world.make_conversation(desk.shop, "Rosa Diaz")
    world.say(noted, "Pays late", author=desk.alice, kind="note")
    answered = world.make_conversation(desk.shop, "Tom Becker")
    world.say(answered, "Dear Tom", author=desk.alice)
    assert found(alice, "pays") == [noted.pk]
    assert "Note:" in page(alice, "pays")
    assert "Our reply:" in page(alice, "dear")


def test_files_are_found_by_name(alice: Client, desk: world.Desk) -> None:
    wanted = world.make_conversation(desk.shop)
    message = world.say(wanted, "")
    world.attach(message, "Invoice_2026.pdf", state="refused")
    assert found(alice, "invoice") == found(alice, "2026") == [wanted.pk]
    assert "<mark>Invoice</mark>_2026.pdf" in page(alice, "invoice")
    Message.objects.filter(pk=message.pk).update(withdrawn_at=world.NOON)
    assert found(alice, "invoice") == []


def test_a_ticket_is_found_by_its_number_and_a_person_by_theirs(alice: Client, desk: world.Desk) -> None:
    wanted = world.make_conversation(desk.shop)
    for letter in "ABC":
        world.make_conversation(desk.shop, f"Person {letter}")
    number = wanted.current_ticket_id
    assert wanted.pk in found(alice, str(number))
    assert found(alice, f"#{number}") == [wanted.pk]
    assert found(alice, f" #{number} ") == [wanted.pk]
    assert found(alice, wanted.contact.psid) == [wanted.pk]
    assert f"Ticket <bdi><mark>#{number}</mark>" in page(alice, f"#{number}")


def test_an_edited_message_is_found_by_its_new_words_only(alice: Client, desk: world.Desk) -> None:
    wanted = world.make_conversation(desk.shop)
    message = world.say(wanted, "Before")
    message.text = "Afterwards"
    message.save()
    assert found(alice, "before") == []
    assert found(alice, "afterwards") == [wanted.pk]


@pytest.mark.parametrize("typed", ["secret", "秘密"])
def test_a_withdrawn_message_is_not_found(alice: Client, desk: world.Desk, typed: str) -> None:
    wanted = world.make_conversation(desk.shop)
    message = world.say(wanted, "My secret 秘密")
    assert found(alice, typed) == [wanted.pk]
    Message.objects.filter(pk=message.pk).update(withdrawn_at=world.NOON)
    assert found(alice, typed) == []
    Message.objects.filter(pk=message.pk).update(state="received")
    assert found(alice, typed) == []


def test_what_was_deleted_is_not_found_and_its_number_means_nothing_else(alice: Client, desk: world.Desk) -> None:
    wanted = world.make_conversation(desk.shop)
    message = world.say(wanted, "Forget this")
    message.delete()
    assert found(alice, "forget") == []
    again = world.say(wanted, "Something else", at=world.NOON)
    assert found(alice, "forget") == []
    assert found(alice, "something") == [again.conversation_id]


def test_a_person_is_found_by_the_new_name_only(alice: Client, desk: world.Desk) -> None:
    wanted = world.make_conversation(desk.shop, "")
    wanted.contact.name = "Rosa Diaz"
    wanted.contact.save()
    assert found(alice, "rosa") == [wanted.pk]
    wanted.contact.name = "Erased"
    wanted.contact.save()
    assert found(alice, "rosa") == []


@pytest.mark.slow
def test_nothing_of_a_person_who_was_erased_is_found(desk: world.Desk, as_user: Callable[[User], Client]) -> None:
    admin = as_user(desk.root)
    gone = world.make_conversation(desk.shop, "Secret Person")
    world.attach(world.say(gone, "hidden words 秘密"), "scan.png", state="refused")
    world.say(gone, "a careful note", author=desk.alice, kind="note")
    looked_for = ("secret", "hidden", "scan", "秘密", "careful", gone.contact.psid)
    assert all(found(admin, typed) for typed in looked_for)
    erasure.erase(desk.root, gone.contact)
    assert [typed for typed in looked_for if found(admin, typed)] == []


@pytest.mark.parametrize("typed", ["secret", "hidden words", "hidden secret", "scan", "秘密", "🎉"])
def test_nothing_of_a_colleagues_channel_is_found(
    desk: world.Desk, as_user: Callable[[User], Client], typed: str
) -> None:
    secret = world.make_conversation(desk.service, "Secret Person")
    world.attach(world.say(secret, "hidden words 秘密 🎉"), "scan.png")
    assert found(as_user(desk.alice), typed) == []
    assert found(as_user(desk.charlie), typed) == []
    assert found(as_user(desk.bob), typed) == [secret.pk]
    Conversation.objects.filter(pk=secret.pk).update(assignee=desk.charlie)
    assert found(as_user(desk.charlie), typed) == [secret.pk]


def test_many_hits_of_others_do_not_crowd_out_ones_own(
    alice: Client, desk: world.Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(search, "MAX_HITS", 3)  # a limit, lowered: five conversations pass it
    mine = world.make_conversation(desk.shop)
    world.say(mine, "parcel")
    for _ in range(5):
        world.say(world.make_conversation(desk.service), "parcel")
    assert found(alice, "parcel") == [mine.pk]
    assert "Add a word" not in page(alice, "parcel")


def test_more_hits_than_are_looked_at_are_owned_up_to(
    alice: Client, desk: world.Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(search, "MAX_HITS", 3)  # a limit, lowered: five conversations pass it
    made = [world.make_conversation(desk.shop, at=world.NOON + timedelta(minutes=n)) for n in range(5)]
    for each in made:
        world.say(each, "parcel")
    assert found(alice, "parcel") == [each.pk for each in made[:1:-1]]
    assert "Add a word" in page(alice, "parcel")


def test_the_search_keeps_to_the_view_and_the_channel(alice: Client, desk: world.Desk) -> None:
    mine = world.make_conversation(desk.shop, "Rosa One", assignee=desk.alice)
    world.make_conversation(desk.shop, "Rosa Two")
    second = world.make_channel(desk.sales, "Second", desk.alice)
    elsewhere = world.make_conversation(second, "Rosa Three")
    assert found(alice, "rosa", view="mine") == [mine.pk]
    assert found(alice, "rosa", channel=second.pk) == [elsewhere.pk]


def test_a_deleted_channel_stays_searchable(alice: Client, desk: world.Desk) -> None:
    wanted = world.make_conversation(desk.shop)
    world.say(wanted, "Old times")
    Channel.objects.filter(pk=desk.shop.pk).update(is_active=False, deleted_at=world.NOON)
    assert found(alice, "times") == [wanted.pk]


def test_what_was_found_is_shown_escaped_and_leads_to_the_message(alice: Client, desk: world.Desk) -> None:
    wanted = world.make_conversation(desk.shop, "<i>Rosa</i>")
    message = world.say(wanted, '<script>alert("parcel")</script>')
    html = page(alice, "parcel")
    assert "&lt;script&gt;alert(&quot;<mark>parcel</mark>&quot;)" in html
    assert re.search(rf'href="/inbox/{wanted.pk}/\?q=parcel&amp;message={message.pk}"', html)
    assert "&lt;i&gt;<mark>Rosa</mark>&lt;/i&gt;" in page(alice, "rosa")


def test_rows_of_an_open_page_keep_to_its_search(alice: Client, desk: world.Desk) -> None:
    wanted, other = world.make_conversation(desk.shop), world.make_conversation(desk.shop)
    world.say(wanted, "A parcel")
    asking: dict[str, Any] = {"q": "parcel", "id": [wanted.pk, other.pk]}
    response = alice.get("/inbox/rows/", asking, headers=HX)
    assert ids(response) == [wanted.pk]
    assert "<mark>parcel</mark>" in html_of(response)


@pytest.mark.slow
def test_found_rows_come_page_by_page_without_a_gap_or_a_double(alice: Client, desk: world.Desk) -> None:
    made = [world.make_conversation(desk.shop, f"Rosa {n}", at=world.NOON).pk for n in range(65)]
    response = alice.get("/inbox/list/", {"q": "rosa"}, headers=HX)
    seen = ids(response)
    while more := re.search(r'hx-get="(/inbox/rows/\?[^"]*before=[^"]+)"', html_of(response)):
        response = alice.get(more.group(1).replace("&amp;", "&"), headers=HX)
        seen += ids(response)
    assert seen == made[::-1]


@pytest.mark.slow
def test_a_search_needs_as_many_queries_with_many_messages_as_with_few(alice: Client, desk: world.Desk) -> None:
    def count() -> int:
        indexing.index_all()
        with CaptureQueriesContext(connection) as captured:
            assert found(alice, "rosa parcel 7")
        return len(captured)

    def add(amount: int) -> None:
        for n in range(amount):
            row = world.make_conversation(desk.shop, ["Rosa", "Tom 7", "Rosa 7"][n % 3])
            for k in range(3):
                world.say(row, f"parcel 7 and {k}")
            world.attach(world.say(row, ""), "Rosa parcel 7.pdf", state="refused")

    add(3)
    count()
    few = count()
    add(30)
    assert count() == few
    assert few <= 30  # with the saved views, and the names of contacts in bounded steps


@pytest.mark.parametrize("model", [MessageTerms, ContactTerms, AttachmentTerms])
def test_the_index_is_asked_and_no_text_is_read_through(
    db: None, model: type[MessageTerms | ContactTerms | AttachmentTerms]
) -> None:
    """The database's own plan; a table this small PostgreSQL would rather read through, so that is forbidden."""
    rows: QuerySet[Any] = model.objects.filter(search.Indexed(searching.terms_of("rosa par 自転車")))
    if connection.vendor == "postgresql":
        with connection.cursor() as cursor:
            cursor.execute("SET LOCAL enable_seqscan = off; SET LOCAL enable_indexscan = off")
    plan = rows.explain()
    table = model._meta.db_table
    assert f"{table}_search" in plan
    assert not re.search(rf"SCAN {table}\n|Seq Scan on {table} ", f"{plan}\n"), plan


def test_new_text_is_found_at_once_and_old_text_as_soon_as_it_is_indexed(
    alice: Client, desk: world.Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As after an upgrade: no text has terms; the work is interrupted after a batch, and goes on."""
    made = [world.make_conversation(desk.shop, "") for _ in range(6)]
    for each in made:
        world.say(each, "parcel")
    MessageTerms.objects.update(terms=None)
    monkeypatch.setattr(indexing, "NEWEST", 1)  # limits, lowered: six messages pass them
    monkeypatch.setattr(indexing, "BATCH_ROWS", 2)
    monkeypatch.setattr(indexing, "MAX_RUN_S", -1)
    assert found(alice, "parcel") == [made[5].pk]
    assert indexing.is_due()
    assert indexing.index_all() == 2
    assert MessageTerms.objects.filter(terms=None).count() == 3
    monkeypatch.undo()
    assert indexing.index_all() == 3
    assert not indexing.is_due()
    assert sorted(found(alice, "parcel")) == [each.pk for each in made]


@pytest.mark.slow
def test_a_contact_is_found_by_e_mail_address_and_phone_number(alice: Client, desk: world.Desk) -> None:
    wanted, other = world.make_conversation(desk.shop, "Rosa"), world.make_conversation(desk.shop, "Tom")
    Contact.objects.filter(pk=wanted.contact_id).update(email="r.diaz@example.org", phone="+49 170 / 12 34 56")
    Contact.objects.filter(pk=other.contact_id).update(email="tom@example.com", phone="0171 99999")
    for typed in ("diaz", "r.diaz@exam", "0170123456", "0170/12 34", "+49 170", "１２３４５６", "rosa 4917012"):
        assert found(alice, typed) == [wanted.pk], typed
    assert "E-mail: <bdi>r.<mark>diaz</mark>@example.org" in page(alice, "diaz")
    assert "Phone: <bdi>+49 <mark>170 / 12 34</mark> 56" in page(alice, "0170 1234")
    Contact.objects.filter(pk=wanted.contact_id).update(phone="")
    assert found(alice, "0170123456") == []


def test_the_triggers_that_keep_the_index_are_there_and_it_agrees_with_the_tables(db: None, desk: world.Desk) -> None:
    """Whoever lets Django make one of these tables anew: run `make_triggers` of 0011_search_terms.py again after it."""
    world.attach(world.say(world.make_conversation(desk.shop), "A parcel"), "scan.png")
    indexing.index_all()
    with connection.cursor() as cursor:
        if connection.vendor == "postgresql":
            cursor.execute("SELECT DISTINCT tgname FROM pg_trigger WHERE tgname LIKE 'tickets_%%terms_%%'")
            assert len(cursor.fetchall()) == 9
            return
        cursor.execute("SELECT name FROM sqlite_master WHERE type = 'trigger' AND name LIKE 'tickets_%terms_%'")
        assert len(cursor.fetchall()) == 18
        for table in ("message", "contact", "attachment"):
            index = f"tickets_{table}terms_search"
            cursor.execute(f"INSERT INTO {index}({index}, rank) VALUES ('integrity-check', 1)")  # noqa: S608

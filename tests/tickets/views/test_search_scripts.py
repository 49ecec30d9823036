"""Search in fourteen scripts, with the same hits on both databases: one set of texts, and twenty questions to each."""

import unicodedata
from collections.abc import Callable

import pytest
from django.test import Client

from desk.models import Department, User
from tickets.models import CannedReply, Contact, Conversation
from tickets.rules import searching
from tickets.services.inbox import search, term_lookup

from . import world

# A text for each script, and other ways to write parts of it, all of which find it and no other.
TEXTS = {
    "Latin": ("Große Füße, Łódź: café crème brûlée", ["GROSSE fusse", "Lodz", "cafe creme", "bru\u0302lee", "ＦÜß"]),
    "Turkish": ("Isparta'da ışıklı İzmir çiçeği", ["isparta", "IŞIKLI", "isikli", "izmir", "İZMİR", "cicegi", "ıspar"]),
    "Vietnamese": ("Tôi muốn đổi trả đơn hàng", ["toi muon", "doi tra", "ĐƠN HÀNG", "don hang", "muo\u0302\u0301n"]),
    "Greek": ("Καλημέρα, θέλω ποδήλατο ὁδός", ["καλημερα", "ΘΕΛΩ", "ΟΔΟΣ", "ποδηλ", "οδοσ", "θελω ποδηλατο"]),
    "Cyrillic": ("Мой заказ ещё не пришёл, їжак", ["мои", "МОЙ", "еще", "пришел", "ЇЖАК", "мо заказ"]),
    "Arabic": ("أين طلبي؟ مُحَمَّد ينتظر آلة علی ٣٤٥٦٧٨٩", ["اين", "محمد", "اله", "علي", "3456789", "طلب محم"]),
    "Hebrew": ("שָׁלוֹם, אֵיפֹה ההזמנה שלי", ["שלום", "איפה", "ההזמ", "שלום איפ", "שלי"]),
    "Hangul": ("서울에서 주문한 자전거를 바꾸고", ["서울 자전거", "자저", "바꾸", "\u1109\u1165\u110b\u116e"]),
    "Japanese": ("iPhone充電器 は ﾊﾞｯﾃﾘｰが切れた", ["iPhone 充電器", "iphone充", "バッテリー", "ばって", "電器"]),
    "Chinese": ("我想退换昨天买的自行车2026年", ["自行车", "昨天买", "2026 年", "我想 车", "２０２６年", "行车"]),
    "Thai": ("สวัสดีครับ จักรยานอยู่ที่ไหน", ["สวัสดี", "จักรยาน", "ที่ไหน", "รยาน", "จักรยานอยู่"]),
    "Devanagari": ("नमस्ते मेरा फ़ोन कहाँ है", ["नमस्ते", "फोन", "फ\u093cोन", "नमस् मेरा", "कहाँ"]),
    "Tamil": ("வணக்கம் என் மிதிவண்டி எங்கே", ["வணக்கம்", "மிதி", "எங்கே", "வணக் மிதி"]),
    "Georgian": ("გამარჯობა სად არის ველოსიპედი", ["გამარჯობა", "ველოსი", "ᲡᲐᲓ", "სად ველო", "არის"]),
}  # fmt: skip
QUESTIONS = 20


def questions_of(text: str, ways: list[str]) -> list[str]:
    """Return twenty questions: the ways above, then words of the text in other forms, unfinished and in pairs."""
    words = [word for word in text.replace(",", " ").replace(":", " ").replace("؟", " ").split() if len(word) > 3]
    made = [*ways, *words, " ".join(words[::-1]), text]
    for word in words:
        made += [unicodedata.normalize("NFD", word), unicodedata.normalize("NFKC", word), word.upper(), word[:4]]
        made += [f"{word[:4]} {words[0]}", f"“{word}”", f"{word}?", f"({word}) {words[-1]}", f"{word}…", f"- {word}"]
        made += [f"「{word}」", f"{word} {word}", f"{word}!", f"{word}.", f"¿{word}", f"{word};"]
    return list(dict.fromkeys(made))[:QUESTIONS]


@pytest.mark.slow
@pytest.mark.parametrize("way", ["the newest texts are read", "the index is asked"])
def test_every_question_finds_its_text_and_no_other(
    desk: world.Desk, monkeypatch: pytest.MonkeyPatch, way: str
) -> None:
    if way == "the index is asked":
        monkeypatch.setattr(term_lookup, "SAMPLE_ROWS", 1)  # limits, lowered: no text is so frequent
        monkeypatch.setattr(term_lookup, "INDEX_COST", 0)
    scripts = {}
    for script, (text, _ways) in TEXTS.items():
        conversation = world.make_conversation(desk.shop, "")
        world.say(conversation, text)
        scripts[conversation.pk] = script
    asked, wrong = 0, []
    for script, (text, ways) in TEXTS.items():
        for question in questions_of(text, ways):
            asked += 1
            hits = search.find(Conversation.objects.all(), question)
            found = [scripts[pk] for pk in hits.conversation_ids()]
            marked = [piece for piece, is_found in searching.highlight(text, hits.terms) if is_found]
            if found != [script] or not marked:
                wrong.append((script, question, found, marked))
    assert wrong == []
    assert asked == len(TEXTS) * QUESTIONS


def test_the_lists_of_setup_are_searched_as_the_inbox_is(desk: world.Desk, as_user: Callable[[User], Client]) -> None:
    admin = as_user(desk.root)
    person = world.make_agent("soren", Department.objects.create(name="Ёлка и Größe"))
    User.objects.filter(pk=person.pk).update(first_name="Søren", last_name="Ünsal")
    CannedReply.objects.create(shortcut="thx", title="Καλημέρα", text="iPhone充電器")
    contact = world.make_conversation(desk.shop, "Мой Клиент").contact
    Contact.objects.filter(pk=contact.pk).update(phone="+49 170 1234567", email="kunde@example.org")
    for path, questions in {
        "desk/department": ["елка", "GROSSE ёл", "größ"],
        "people": ["Soren", "unsal søren"],
        "canned-replies": ["ΚΑΛΗΜΕΡΑ", "iphone 充電"],
        "tickets/contact": ["клиент мои", "0170 123", "kunde@exam", contact.psid],
    }.items():
        for question, expected in [*((question, 1) for question in questions), ("nowhere", 0)]:
            answer = admin.get(f"/admin/{path}/", {"q": question})
            context = answer.context
            count = len(context["list"].rows)
            assert count == expected, (path, question)

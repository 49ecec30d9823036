"""The ways to look up terms: each finds the same rows, in the same order."""

import random

import pytest
from django.db.models import Q

from desk import searching
from tickets.models import Conversation, Message, MessageTerms
from tickets.services.conversation import access
from tickets.services.inbox import indexing, search, term_lookup
from tickets.services.inbox.term_lookup import Lookup, newest

from . import world

WORDS = [
    "Straße",
    "street",
    "заказ",
    "充電器",
    "充電",
    "zoë",
    "zoé",
    "100%",
    "🎉",
    "a.b@c.de",
    "x" * 120,
    "سلام",
    "자전거",
]
QUESTIONS = [
    "stra",
    "street",
    "STR",
    "заказ",
    "充電器 zoe",
    "充電",
    "100",
    "%",
    "🎉",
    "🎉 str",
    "a b c",
    "x" * 110,
    "سلا",
    "자저",
]
COMMON = "das und der"
LIMIT = 7  # rows at a time
WAYS: dict[str, dict[str, float]] = {
    "the newest rows": {"SAMPLE_ROWS": 20, "INDEX_COST": 1e9},
    "the index": {"SAMPLE_ROWS": 20, "INDEX_COST": 0},
    "the index, a part of the keys at a time": {"SAMPLE_ROWS": 20, "INDEX_COST": 0, "RELIABLE": 1},
    "the index for all terms": {"SAMPLE_ROWS": 20, "INDEX_COST": 0, "NEARLY_AS_RARE": 1e9},
    "the newest rows, then the index": {"SAMPLE_ROWS": 20, "INDEX_COST": 2},
    "all rows": {"SAMPLE_ROWS": 1000},
}


@pytest.fixture
def texts(desk: world.Desk) -> dict[int, str]:
    """Texts by id, newest first: many words in the newest, among common ones, and ids that are missing."""
    draw = random.Random(11)  # noqa: S311 - the same texts each time
    conversation = world.make_conversation(desk.shop)
    said = [
        " ".join([*draw.sample(WORDS, k=draw.randint(0, 3)), *draw.sample(COMMON.split(), k=draw.randint(1, 3))])
        for _ in range(150)
    ]
    Message.objects.bulk_create(
        [
            Message(
                conversation=conversation,
                ticket=conversation.current_ticket,
                page=desk.shop.page,
                mid=f"m_{number}",
                direction="in",
                source="customer",
                state="received",
                text=text,
                sent_at=world.NOON,
            )
            for number, text in enumerate(said)
        ]
    )
    gone = draw.sample(list(Message.objects.values_list("pk", flat=True)), k=20)
    Message.objects.filter(pk__in=gone).delete()
    indexing.index_all()
    return dict(Message.objects.order_by("-pk").values_list("pk", "text"))


@pytest.mark.slow
@pytest.mark.parametrize("way", WAYS)
def test_every_way_finds_the_same_rows(texts: dict[int, str], monkeypatch: pytest.MonkeyPatch, way: str) -> None:
    for name, value in WAYS[way].items():
        monkeypatch.setattr(term_lookup, name, value)
    for question in [*QUESTIONS, *COMMON.split(), "das str", "und das", "nowhere", "das nowhere"]:
        terms = searching.terms_of(question)
        for any_of in (False, True):
            lists = list(newest(Lookup(MessageTerms, terms, any_of=any_of), LIMIT))
            found = [key for rows in lists for (key,) in rows]
            needed = 1 if any_of else len(terms)
            assert found == [pk for pk, text in texts.items() if len(searching.contained([text], terms)) >= needed]
            assert all(len(rows) <= LIMIT for rows in lists[:1])


def test_neither_the_order_nor_the_terms_of_a_row_depend_on_the_way_it_is_read(texts: dict[int, str]) -> None:
    lookup = Lookup(MessageTerms, searching.terms_of("das"), ("pk", "conversation_id"))
    every = lookup.read(Q(lookup.held()), 1000)
    assert every == lookup.read(Q(term_lookup.Indexed(lookup.terms)), 1000, in_order=False)
    assert [key for key, _conversation_id in every] == [pk for pk, text in texts.items() if "das" in text]


@pytest.mark.parametrize("few", [1, 1000], ids=["many conversations", "few conversations"])
def test_hits_of_others_cost_none_of_ones_own(desk: world.Desk, monkeypatch: pytest.MonkeyPatch, few: int) -> None:
    """The searcher sees two conversations; the newest hits are all of others."""
    monkeypatch.setattr(search, "MAX_HITS", 30)  # limits, lowered: the messages below pass them
    monkeypatch.setattr(access, "FEW", few)
    mine = [world.make_conversation(desk.shop) for _ in range(2)]
    for each in mine:
        world.say(each, "parcel")
    other = world.make_conversation(desk.service)
    for _ in range(40):
        world.say(other, "parcel")
    hits = search.find(Conversation.objects.filter(channel=desk.shop), "parcel")
    assert hits.messages.keys() == {each.pk for each in mine}
    assert not hits.is_cut


@pytest.mark.parametrize("very_few", [0, 100])
def test_a_name_and_a_word_are_found_whichever_is_rarer(
    desk: world.Desk, monkeypatch: pytest.MonkeyPatch, very_few: int
) -> None:
    monkeypatch.setattr(search, "VERY_FEW", very_few)
    rosas = [world.make_conversation(desk.shop, f"Rosa {number}") for number in range(3)]
    world.say(rosas[1], "parcel")
    world.say(world.make_conversation(desk.shop, "Tom"), "parcel")
    hits = search.find(Conversation.objects.all(), "rosa parcel")
    assert hits.conversation_ids() == {rosas[1].pk}

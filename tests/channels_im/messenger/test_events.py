import json
from typing import Any

import pytest

from channels_im.messenger import events
from channels_im.messenger.events import UnreadableDeliveryError, parse_delivery
from tests.channels_im.messenger.deliveries import AT, EVERY_KIND, PAGE, PSID, delivery, item, text_message


def one(raw: Any, **options: Any) -> events.Event:
    """Return the only event of a delivery with one item."""
    (event,) = parse_delivery(delivery(raw, **options))
    return event


def message(**content: Any) -> events.MessageReceived:
    event = one(item(message={"mid": "m_1", **content}))
    assert isinstance(event, events.MessageReceived)
    return event


def test_a_text_message_has_its_page_person_time_and_text() -> None:
    event = one(text_message())
    assert isinstance(event, events.MessageReceived)
    assert (event.page_id, event.psid, event.timestamp_ms, event.mid, event.text) == (PAGE, PSID, AT, "m_1", "hello")
    assert (event.standby, event.key) == (False, "message:m_1")


@pytest.mark.parametrize(
    ("raw", "kind"),
    list(
        zip(
            EVERY_KIND,
            [
                events.MessageReceived,
                events.MessageReceived,
                events.Echo,
                events.MessageEdited,
                events.Reaction,
                events.Read,
                events.Delivered,
                events.Postback,
                events.Referral,
                events.OptIn,
                events.OptIn,
                events.CallPermission,
                events.Call,
                events.AccountLinking,
                events.ThreadControl,
                events.ThreadControl,
                events.ThreadControl,
                events.ThreadControl,
                events.PolicyEnforcement,
                events.Feedback,
                events.Feedback,
                events.Order,
            ],
            strict=True,
        )
    ),
)
def test_every_kind_of_the_contract_has_its_type(raw: dict[str, Any], kind: type[events.Event]) -> None:
    assert type(one(raw)) is kind


def test_an_echo_is_no_message_of_a_customer() -> None:
    event = one(
        item(
            _from_page=True, message={"mid": "m_3", "text": "ours", "is_echo": True, "app_id": 1, "metadata": "desk:5"}
        )
    )
    assert isinstance(event, events.Echo)
    assert not isinstance(event, events.MessageReceived)
    assert (event.psid, event.app_id, event.metadata, event.key) == (PSID, "1", "desk:5", "echo:m_3")


def test_a_message_of_the_page_without_the_echo_flag_is_an_echo_still() -> None:
    assert isinstance(one(item(_from_page=True, message={"mid": "m_3", "text": "x"})), events.Echo)


def test_an_edit_carries_the_new_text_and_its_number() -> None:
    event = one(item(message_edit={"mid": "m_1", "text": "new", "num_edit": "2"}))
    assert isinstance(event, events.MessageEdited)
    assert (event.mid, event.text, event.num_edit, event.key) == ("m_1", "new", 2, "edit:m_1:2")


@pytest.mark.parametrize(("given", "action"), [("react", "react"), ("unreact", "unreact"), (None, "react")])
def test_a_reaction_is_set_or_taken_back(given: str | None, action: str) -> None:
    event = one(item(reaction={"mid": "m_1", "reaction": "love", "emoji": "❤", "action": given}))
    assert isinstance(event, events.Reaction)
    assert (event.mid, event.action, event.emoji, event.by_page, event.psid) == ("m_1", action, "❤", False, PSID)


def test_a_reaction_of_the_page_belongs_to_the_customers_thread() -> None:
    event = one(item(_from_page=True, reaction={"mid": "m_1", "action": "react"}))
    assert isinstance(event, events.Reaction)
    assert (event.by_page, event.psid) == (True, PSID)


def test_watermarks_are_milliseconds_also_when_sent_as_seconds() -> None:
    read = one(item(read={"watermark": 1_790_000_000}))
    delivered = one(item(timestamp=None, delivery={"watermark": str(AT)}))
    assert isinstance(read, events.Read)
    assert isinstance(delivered, events.Delivered)
    assert (read.watermark_ms, delivered.watermark_ms, delivered.mids) == (1_790_000_000_000, AT, ())


def test_a_standby_item_is_marked() -> None:
    event = one(text_message(), channel="standby")
    assert isinstance(event, events.MessageReceived)
    assert event.standby


def test_a_postback_in_standby_has_no_payload() -> None:
    event = one(item(postback={"title": "Start"}), channel="standby")
    assert isinstance(event, events.Postback)
    assert (event.title, event.payload, event.mid) == ("Start", None, None)


def test_thread_control_names_the_apps_as_strings() -> None:
    event = one(item(pass_thread_control={"previous_owner_app_id": 1, "new_owner_app_id": 2, "metadata": "x"}))
    assert isinstance(event, events.ThreadControl)
    assert (event.action, event.previous_owner_app_id, event.new_owner_app_id) == ("pass", "1", "2")


def test_app_roles_and_policy_have_no_person() -> None:
    roles = one(item(sender=None, app_roles={"123": ["primary_receiver"]}))
    policy = one(item(sender=None, policy_enforcement={"action": "unblock"}))
    assert isinstance(roles, events.ThreadControl)
    assert isinstance(policy, events.PolicyEnforcement)
    assert (roles.psid, roles.roles) == (None, (("123", ("primary_receiver",)),))
    assert (policy.psid, policy.action, policy.reason) == (None, "unblock", None)


def test_a_referral_of_a_lead_ad_keeps_the_answers() -> None:
    lead = {"data": [{"question": "Email?", "answer": "a@b.c"}, {"question": "x"}, 5]}
    event = one(item(referral={"type": "LEAD_COMPLETE", "source": "ADS"}, lead=lead))
    assert isinstance(event, events.Referral)
    assert event.referral.lead == (("Email?", "a@b.c"),)


def test_the_summary_of_a_lead_ad_is_recognised() -> None:
    event = one(item(message={"mid": "m_1", "text": "summary"}, hop_context=[{"app_id": 55, "metadata": "m"}]))
    assert isinstance(event, events.MessageReceived)
    assert event.hop_app_id == "55"


def test_a_withdrawn_message_is_an_event_of_its_own() -> None:
    event = message(is_deleted=True)
    assert (event.is_deleted, event.mid, event.key) == (True, "m_1", "deleted-message:m_1")


def test_changes_are_kept_as_unknown() -> None:
    body = {"object": "page", "entry": [{"id": PAGE, "changes": [{"field": "feed", "value": {"x": 1}}]}]}
    (event,) = parse_delivery(json.dumps(body).encode())
    assert isinstance(event, events.Unknown)
    assert (event.kind, event.page_id, event.raw["value"]) == ("changes:feed", PAGE, {"x": 1})


def test_an_unknown_kind_is_kept_with_its_name() -> None:
    event = one(item(message_mention={"x": 1}))
    assert isinstance(event, events.Unknown)
    assert (event.kind, event.psid, event.raw["message_mention"]) == ("message_mention", PSID, {"x": 1})


def test_unknown_keys_beside_a_known_kind_change_nothing() -> None:
    event = one(item(message={"mid": "m_1", "text": "t", "nlp": {"a": 1}, "new": [1]}, priority="high"))
    assert isinstance(event, events.MessageReceived)
    assert event.text == "t"


def test_both_arrays_are_read_whole() -> None:
    body = {
        "object": "page",
        "entry": [
            {"id": PAGE, "messaging": [text_message("m_1"), text_message("m_2")], "standby": [text_message("m_3")]},
            {"id": "2020", "messaging": [item(recipient={"id": "2020"}, message={"mid": "m_4", "text": "x"})]},
        ],
    }
    found = parse_delivery(json.dumps(body).encode())
    assert [(event.page_id, getattr(event, "mid", None), event.standby) for event in found] == [
        (PAGE, "m_1", False),
        (PAGE, "m_2", False),
        (PAGE, "m_3", True),
        ("2020", "m_4", False),
    ]


def test_an_empty_delivery_has_no_events() -> None:
    assert parse_delivery(b'{"object":"page","entry":[]}') == []


@pytest.mark.parametrize(
    ("body", "part_of_reason"),
    [
        (b"", "not JSON"),
        (b"not json", "not JSON"),
        (b'{"object":"page","entry":[', "not JSON"),
        (b"\xff\xfe\x00\x01", "not JSON"),
        (b"[]", "not a JSON object"),
        (b"null", "not a JSON object"),
        (b'"page"', "not a JSON object"),
        (b'{"object":"page"}', "entry"),
        (b'{"object":"page","entry":{}}', "entry"),
        (b'{"object":"page","entry":null}', "entry"),
        (b"[" * 100_000, "too deep"),
        (b'{"entry":' + b"1" * 5000 + b"}", "entry"),
    ],
)
def test_a_delivery_without_sense_says_why(body: bytes, part_of_reason: str) -> None:
    with pytest.raises(UnreadableDeliveryError) as caught:
        parse_delivery(body)
    assert part_of_reason in caught.value.reason


# --- Who and when


@pytest.mark.parametrize(
    ("raw", "ms"),
    [
        (1_790_000_000_123, 1_790_000_000_123),
        (1_790_000_000, 1_790_000_000_000),
        ("1790000000123", 1_790_000_000_123),
        ("1790000000", 1_790_000_000_000),
        (1_790_000_000.0, 1_790_000_000_000),
        (0, None),
        (-5, None),
        (12, None),
        (1_790_000_000_123_456, None),
        (10**30, None),
        (True, None),
        ("soon", None),
        ("", None),
        ({}, None),
        ([], None),
    ],
)
def test_timestamps_become_milliseconds_or_nothing(raw: Any, ms: int | None) -> None:
    event = one({**text_message(), "timestamp": raw})
    assert (event.timestamp_ms, event.original_timestamp) == (ms, raw)


def test_a_missing_timestamp_is_nothing() -> None:
    assert one(item(timestamp=None, message={"mid": "m"})).timestamp_ms is None


@pytest.mark.parametrize("sender", [None, {}, {"id": None}, {"id": ""}, {"user_ref": "abc"}, 5, [], {"id": {}}])
def test_a_missing_sender_is_no_person(sender: Any) -> None:
    event = one({**text_message(), "sender": sender})
    assert isinstance(event, events.MessageReceived)
    assert (event.psid, event.text) == (None, "hello")


def test_ids_may_be_numbers() -> None:
    event = one({"sender": {"id": 7001}, "recipient": {"id": 1010101010}, "message": {"mid": 5}}, page=1010101010)
    assert isinstance(event, events.MessageReceived)
    assert (event.page_id, event.psid, event.mid) == (PAGE, PSID, "5")


@pytest.mark.parametrize("page", [None, "", {}, []])
def test_without_an_id_of_the_entry_the_item_names_the_page(page: Any) -> None:
    assert one(text_message(), page=page).page_id == PAGE
    echo = one(item(_from_page=True, message={"mid": "m_1", "is_echo": True}), page=page)
    assert (echo.page_id, echo.psid) == (PAGE, PSID)


def test_an_id_too_long_for_the_database_is_shortened_alike_every_time() -> None:
    long_id = "m" * 1000
    event = message(mid=long_id, reply_to={"mid": long_id})
    assert event.mid == event.reply_to_mid
    assert len(event.mid or "") <= 255
    assert len(event.key) <= 255
    assert len(one({**text_message(), "sender": {"id": "7" * 100}}).psid or "") <= 64


# --- Text


def test_nul_is_removed_and_half_surrogates_are_replaced_everywhere() -> None:
    body = (
        delivery(text_message())
        .replace(b"hello", b"a\\u0000b \\ud83d c \\ud83d\\ude00")
        .replace(b'"m_1"', b'"m\\u0000"')
    )
    (event,) = parse_delivery(body)
    assert isinstance(event, events.MessageReceived)
    assert (event.text, event.mid) == ("ab \ufffd c \U0001f600", "m")
    assert "\0" not in json.dumps(event.raw)
    assert json.dumps(event.raw, ensure_ascii=False).encode()


def test_bytes_that_are_no_utf8_cost_their_character_only() -> None:
    (event,) = parse_delivery(delivery(text_message()).replace(b"hello", b"h\xffllo"))
    assert isinstance(event, events.MessageReceived)
    assert event.text == "h\ufffdllo"


def test_not_a_number_does_not_reach_the_database() -> None:
    (event,) = parse_delivery(delivery(text_message()).replace(str(AT).encode(), b"NaN"))
    (huge,) = parse_delivery(delivery(text_message()).replace(str(AT).encode(), b"1e999"))
    assert (event.timestamp_ms, event.raw["timestamp"], huge.raw["timestamp"]) == (None, None, None)


def test_markup_stays_the_text_it_is() -> None:
    assert message(text="<script>alert('x')</script> &amp;").text == "<script>alert('x')</script> &amp;"


# --- Keys


def test_the_same_message_delivered_again_has_the_same_key() -> None:
    again = json.loads(delivery(text_message()))
    again["entry"][0]["time"] += 5000
    assert parse_delivery(json.dumps(again).encode())[0].key == one(text_message()).key


def test_a_message_without_mid_has_a_key_of_page_sender_time_and_content() -> None:
    def key(raw: dict[str, Any], **options: Any) -> str:
        return one(raw, **options).key

    plain = item(message={"text": "hello"})
    assert key(plain) == key(plain)
    others = [
        key(item(message={"text": "other"})),
        key({**plain, "timestamp": AT + 1}),
        key({**plain, "sender": {"id": "7002"}}),
        key(plain, page="2020"),
    ]
    assert len({key(plain), *others}) == 5


@pytest.mark.parametrize("kind", range(len(EVERY_KIND)))
def test_every_kind_has_a_stable_key_that_no_other_kind_has(kind: int) -> None:
    keys = [one(raw).key for raw in EVERY_KIND]
    assert one(EVERY_KIND[kind]).key == keys[kind]
    assert keys.count(keys[kind]) == 1
    assert 0 < len(keys[kind]) <= 255


def test_setting_a_reaction_again_later_is_another_event() -> None:
    reaction = {"mid": "m_1", "reaction": "love", "action": "react"}
    assert one(item(reaction=reaction)).key != one(item(timestamp=AT + 9, reaction=reaction)).key


# --- One bad item


@pytest.mark.parametrize(
    "bad", [None, 5, "x", [], [[]], {}, {"message": 5}, {"message": {"attachments": 5}}, {"x": None}]
)
def test_a_bad_item_does_not_hide_its_neighbours(bad: Any) -> None:
    found = parse_delivery(delivery(text_message("m_1"), bad, text_message("m_2")))
    assert [event.key for event in found if isinstance(event, events.MessageReceived) and event.text] == [
        "message:m_1",
        "message:m_2",
    ]
    assert len(found) == 3


@pytest.mark.parametrize("content", [5, "x", [], True])
@pytest.mark.parametrize("kind", ["message", "reaction", "read", "delivery", "postback", "order", "app_roles"])
def test_a_known_kind_with_junk_inside_is_unknown(kind: str, content: Any) -> None:
    event = one(item(**{kind: content}))
    assert isinstance(event, events.Unknown)
    assert event.kind == kind


@pytest.mark.parametrize("raw", [{"reaction": {}}, {"message_edit": {"text": "x"}}, {"read": {}}, {"delivery": {}}])
def test_an_event_about_a_message_it_does_not_name_is_unknown(raw: dict[str, Any]) -> None:
    assert isinstance(one(item(**raw)), events.Unknown)


def test_an_entry_that_is_no_object_or_holds_nothing_is_unknown() -> None:
    found = parse_delivery(b'{"object":"page","entry":[5,null,{"id":"1"},{"id":"1","messaging":null}]}')
    assert [type(event) for event in found] == [events.Unknown] * 4

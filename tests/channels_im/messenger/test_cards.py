from typing import Any

import pytest

from channels_im.messenger.events import Card, Choice, cards_for, parse_delivery
from tests.channels_im.messenger.deliveries import PAGE, delivery, item, text_message

OURS = "4242"


def cards(raw: Any) -> tuple[Card, ...]:
    (event,) = parse_delivery(delivery(raw))
    return cards_for(event, own_app_id=OURS)


def card(raw: Any) -> Card:
    (found,) = cards(raw)
    return found


def message_cards(**message: Any) -> tuple[Card, ...]:
    return cards(item(message={"mid": "m", **message}))


def attachment_card(kind: str, payload: Any = None, **beside: Any) -> Card:
    (found,) = message_cards(attachments=[{"type": kind, "payload": payload, **beside}])
    return found


@pytest.mark.parametrize(
    "raw",
    [
        text_message(),
        item(message={"mid": "m", "attachments": [{"type": "image", "payload": {"url": "https://x.fbcdn.net/a"}}]}),
        item(message={"mid": "m", "is_deleted": True}),
        item(message_edit={"mid": "m", "text": "x"}),
        item(reaction={"mid": "m"}),
        item(read={"watermark": 1_790_000_000_000}),
        item(delivery={"watermark": 1_790_000_000_000}),
    ],
)
def test_text_files_reactions_and_receipts_are_no_cards(raw: Any) -> None:
    assert cards(raw) == ()


def test_a_shared_link_is_a_card_with_its_address() -> None:
    assert attachment_card("fallback", {"url": "https://a.example/", "title": "A"}) == Card(
        "link", "A", "", "https://a.example/"
    )


@pytest.mark.parametrize(
    ("kind", "card_kind"),
    [
        ("post", "post"),
        ("ig_post", "post"),
        ("reel", "reel"),
        ("ig_reel", "reel"),
        ("template", "template"),
        ("location", "location"),
        ("appointment_booking", "booking"),
        ("brand_new", "unsupported"),
    ],
)
def test_every_attachment_that_is_no_file_has_its_card(kind: str, card_kind: str) -> None:
    found = attachment_card(kind, {"url": "https://a.example/"})
    assert (found.kind, found.url) == (card_kind, "https://a.example/")


def test_a_share_that_meta_does_not_hand_on_is_unsupported() -> None:
    found = attachment_card("fallback")
    assert found.kind == "unsupported"


def test_a_file_without_an_address_is_a_card() -> None:
    found = attachment_card("video", {})
    assert found == Card("unsupported", "Video without a link")


def test_each_link_is_a_card() -> None:
    links = [{"type": "fallback", "payload": {"url": f"https://{name}.example/", "title": name}} for name in "ab"]
    wanted = tuple(Card("link", name, "", f"https://{name}.example/") for name in "ab")
    assert message_cards(attachments=links) == wanted


def test_of_very_many_links_the_last_card_lists_the_rest() -> None:
    links = [{"type": "fallback", "payload": {"url": f"https://a.example/{n}", "title": f"n{n}"}} for n in range(40)]
    found = message_cards(attachments=links)
    assert len(found) == 30
    assert found[-1].title == "11 more"
    assert found[-1].text.splitlines() == [f"n{n} https://a.example/{n}" for n in range(29, 40)]


def test_a_message_with_nothing_in_it_is_unsupported() -> None:
    for content in ({"mid": "m"}, {"mid": "m", "is_unsupported": True, "text": "x"}):
        assert card(item(message=content)).kind == "unsupported"


def test_an_ad_is_named() -> None:
    referral = {"source": "ADS", "ad_id": 9, "ref": "r", "ads_context_data": {"ad_title": "Sale"}}
    assert card(item(referral=referral)) == Card("ad", "Came from an ad: Sale", "Reference: r\nAd 9")
    assert message_cards(text="hi", referral=referral) == cards(item(referral=referral))


def test_a_link_to_the_page_is_a_referral() -> None:
    found = card(item(referral={"ref": "shop", "source": "SHORTLINK", "referer_uri": "https://a.example/"}))
    assert found == Card("referral", "Came through a link", "Reference: shop", "https://a.example/")


def test_a_question_about_a_product_names_it() -> None:
    found = card(item(message={"mid": "m", "text": "?", "referral": {"product": {"id": 77}}}))
    assert found == Card("referral", "Asks about a product", "Product 77")


@pytest.mark.parametrize(
    ("raw", "wanted"),
    [
        (item(optin={"title": "News", "payload": "P"}), Card("opt_in", "Agreed to notifications: News", "P")),
        (item(account_linking={"status": "unlinked"}), Card("account_linking", "Account unlinked")),
        (
            item(pass_thread_control={"new_owner_app_id": 263902037430900}),
            Card("handover", "Conversation passed to the Page inbox"),
        ),
        (
            item(take_thread_control={"new_owner_app_id": "5", "metadata": "why"}),
            Card("handover", "App 5 took control of the conversation", "why"),
        ),
        (
            item(request_thread_control={"requested_owner_app_id": "6"}),
            Card("handover", "App 6 requested control of the conversation"),
        ),
        (
            item(sender=None, app_roles={"7": ["primary_receiver"]}),
            Card("handover", "The roles of the connected apps changed", "App 7: primary_receiver"),
        ),
        (
            item(sender=None, policy_enforcement={"action": "block", "reason": "spam"}),
            Card("policy", "Facebook blocked this Page from sending", "spam"),
        ),
        (
            item(response_feedback={"feedback": "Bad response"}),
            Card("feedback", "Feedback from the customer", "Bad response"),
        ),
        (
            item(
                order={"products": [{"name": "Mug", "quantity": 2, "unit_price": 12.5, "currency": "EUR"}], "note": "n"}
            ),
            Card("order", "Order", "2 × Mug (12.5 EUR)\nn"),
        ),
        (
            item(new_kind={"a": 1}),
            Card("unknown", "Unknown event", "Messenger sent an event of the unknown type “new_kind”.\nA: 1"),
        ),
    ],
)
def test_events_have_their_cards(raw: Any, wanted: Card) -> None:
    assert card(raw) == wanted


def test_a_feedback_form_lists_questions_and_answers() -> None:
    questions = {"q1": {"payload": "4", "follow_up": {"payload": "quick"}}, "q2": {"payload": "5"}}
    found = card(item(messaging_feedback={"feedback_screens": [{"questions": questions}]}))
    assert found == Card("feedback", "Feedback from the customer", "q1: 4 – quick\nq2: 5")


def test_markup_in_a_card_stays_text() -> None:
    found = attachment_card("fallback", {"url": f"https://{PAGE}.example/", "title": "<img src=x onerror=alert(1)>"})
    assert found.title == "<img src=x onerror=alert(1)>"


# --- Locations and bookings -------------------------------------------------------------------------------------------
@pytest.mark.parametrize(
    ("payload", "text", "place"),
    [
        ({"coordinates": {"lat": 52.5, "long": 13.4}}, "52.5, 13.4", "mlat=52.5&mlon=13.4#"),
        ({"coordinates": {"lat": "52.5", "long": "-13.4"}}, "52.5, -13.4", "mlat=52.5&mlon=-13.4#"),
        ({"latitude": 1, "longitude": 2, "name": "Harbour"}, "Harbour\n1, 2", "mlat=1&mlon=2#"),
        ({"coordinates": {"lat": 52.5}}, "Coordinates – Lat: 52.5", None),
        ({"coordinates": {"lat": True, "long": 1}}, "Coordinates – Lat: yes\nCoordinates – Long: 1", None),
        ({"coordinates": {"lat": 91, "long": 1}}, "Coordinates – Lat: 91\nCoordinates – Long: 1", None),
        ({"coordinates": {"lat": "<b>", "long": 1}}, "Coordinates – Lat: <b>\nCoordinates – Long: 1", None),
        ({}, "", None),
    ],
)
def test_a_location_is_its_coordinates_and_opens_a_map(payload: Any, text: str, place: str | None) -> None:
    found = attachment_card("location", payload)
    assert (found.title, found.text) == ("Location", text)
    assert (place in (found.url or "")) if place else found.url is None


def test_a_location_keeps_its_own_name_and_link() -> None:
    payload = {"url": "https://l.example/", "coordinates": {"lat": 1, "long": 2}}
    found = attachment_card("location", payload, title="Bar")
    assert found == Card("location", "Bar", "1, 2", "https://l.example/")


def test_a_booking_is_shown_in_the_customers_time_zone() -> None:
    payload = {"booking_id": 5, "status": "confirmed", "start_time": 1_790_000_000, "end_time": 1_790_003_600}
    berlin = attachment_card("appointment_booking", {**payload, "timezone": "Europe/Berlin"})
    assert berlin.text == "confirmed, 2026-09-21 16:13 CEST – 2026-09-21 17:13 CEST, booking 5"


@pytest.mark.parametrize("zone", ["Nowhere/Else", "../../etc/passwd", "Europe", "", "a\tb", "x" * 500, 5])
def test_a_booking_in_an_unknown_time_zone_is_shown_in_utc(zone: Any) -> None:
    payload = {"status": "requested", "start_time": "1790000000", "timezone": zone}
    assert attachment_card("appointment_booking", payload).text == "requested, 2026-09-21 14:13 UTC"


# --- Content beside other content -------------------------------------------------------------------------------------
AD = {"source": "ADS", "ad_id": "6041", "ads_context_data": {"ad_title": "Wheels", "post_id": "9"}}
BESIDE: dict[str, dict[str, Any]] = {
    "link": {"type": "fallback", "payload": {"url": "https://shop.example/w", "title": "Wheel"}},
    "location": {"type": "location", "payload": {"coordinates": {"lat": 1, "long": 2}}},
    "template": {"type": "template", "payload": {"product": {"elements": [{"id": "1", "title": "Mug"}]}}},
    "unsupported": {"type": "hologram"},
}


@pytest.mark.parametrize("kind", BESIDE)
def test_where_the_customer_came_from_stands_beside_everything_else(kind: str) -> None:
    found = message_cards(text="hi", referral=AD, attachments=[BESIDE[kind]])
    ad = Card("ad", "Came from an ad: Wheels", "Ad 6041", "https://www.facebook.com/9")
    assert [each.kind for each in found] == [kind, "ad"]
    assert found[1] == ad
    picture = {"type": "image", "payload": {"url": "https://x.fbcdn.net/a"}}
    assert message_cards(referral=AD, attachments=[picture]) == (ad,)


def test_an_ad_keeps_its_picture_and_its_video() -> None:
    media = {"photo_url": "https://x.fbcdn.net/p.jpg", "video_url": "https://x.fbcdn.net/v.mp4", "flow_id": "7"}
    found = card(item(referral={"source": "ADS", "ads_context_data": media}))
    assert found.picture_url == media["photo_url"]
    assert found.text == f"Video: {media['video_url']}\nFlow id: 7"


@pytest.mark.parametrize(
    ("referral", "text"), [({"campaign": "May"}, "Campaign: May"), ("spring", "Reference: spring")]
)
def test_a_referral_of_another_form_is_shown(referral: Any, text: str) -> None:
    assert message_cards(text="hi", referral=referral) == (Card("referral", "Came through a link", text),)


@pytest.mark.parametrize("kind", ["story", "ad", "post", "sticker_pack"])
def test_what_a_message_answers_is_shown_when_it_is_no_message(kind: str) -> None:
    url = "https://lookaside.fbsbx.com/ig_messaging_cdn/?asset_id=1"
    (found,) = message_cards(text="Is it free?", reply_to={"mid": "m_0", kind: {"id": "18", "url": url}})
    assert "Replied to" in found.title
    assert (found.text, found.url) == (f"{kind.replace('_', ' ').capitalize()} 18", url)


def test_what_a_message_answers_stands_beside_its_picture() -> None:
    picture = {"type": "image", "payload": {"url": "https://x.fbcdn.net/a"}}
    (found,) = message_cards(attachments=[picture], reply_to={"story": {"id": 5}})
    assert found == Card("story", "Replied to your story", "Story 5")


# --- Shared content without an address --------------------------------------------------------------------------------
@pytest.mark.parametrize(
    ("kind", "payload", "url"),
    [
        ("ig_reel", {"url": "/reel/998877/", "reel_video_id": 998877}, "https://www.instagram.com/reel/998877/"),
        ("reel", {"url": "/reel/998877/"}, "https://www.facebook.com/reel/998877/"),
        ("reel", {"reel_video_id": 998877}, "https://www.facebook.com/reel/998877"),
        ("post", {"id": "10_20"}, "https://www.facebook.com/10_20"),
        ("ig_post", {"id": "Cabc-_1"}, "https://www.instagram.com/p/Cabc-_1/"),
        ("fallback", {"url": "//shop.example/a?b=1"}, "https://shop.example/a?b=1"),
        ("share", {"url": "www.facebook.com/x"}, "https://www.facebook.com/x"),
        ("story", {"url": "/stories/1"}, "https://www.facebook.com/stories/1"),
        ("fallback", {"url": 'https://a.example/"x"'}, "https://a.example/%22x%22"),
    ],
)
def test_shared_content_has_a_link_that_opens_it(kind: str, payload: Any, url: str) -> None:
    assert attachment_card(kind, payload).url == url


@pytest.mark.parametrize(
    ("kind", "payload", "text"),
    [
        ("ig_reel", {"reel_video_id": 998877}, "Reel video id: 998877"),
        ("ig_post", {"id": "5"}, "Id: 5"),
        ("post", {"id": "a/../b"}, "Id: a/../b"),
        ("story_mention", {"id": "5"}, "Id: 5"),
        ("reel", {"url": "fb://reel/5"}, "Url: fb://reel/5"),
        ("fallback", {"url": "javascript:alert(1)"}, "Url: javascript:alert(1)"),
    ],
)
def test_shared_content_that_cannot_be_opened_is_named_by_what_came(kind: str, payload: Any, text: str) -> None:
    found = attachment_card(kind, payload)
    assert (found.text, found.url) == (text, None)


def test_a_fallback_with_a_title_alone_shows_it() -> None:
    assert attachment_card("fallback", {"title": "A page"}) == Card("link", "A page")


# --- Kinds with a name of their own -----------------------------------------------------------------------------------
@pytest.mark.parametrize(
    ("kind", "payload", "title", "text"),
    [
        ("contact", {"name": "Ana", "phone_number": "555"}, "Shared contact", "Name: Ana\nPhone number: 555"),
        ("wave", None, "👋 Waved", ""),
        ("thumbs_up", {}, "👍 Thumbs up", ""),
        ("gif", {"url": "https://media.giphy.example/x.gif"}, "GIF", ""),
        ("view_once", {}, "Photo or video that can be viewed once", "It can be opened only in the Messenger app."),
        ("unsupported_type", None, "Unsupported message", "Open the Page inbox on Facebook to see it."),
        ("missed_call", {"duration": 0}, "Missed call", "Duration: 0"),
        ("image_grid", {"images": [{"id": 5}]}, "Pictures", "Images – Id: 5"),
    ],
)  # fmt: skip
def test_a_known_kind_is_named(kind: str, payload: Any, title: str, text: str) -> None:
    found = attachment_card(kind, payload)
    assert (found.title, found.text) == (title, text)


def test_a_poll_shows_its_question_options_and_votes() -> None:
    poll = {"question": "When?", "options": [{"text": "Monday", "votes": 2}, {"text": "Friday"}, "Never", 5, None]}
    wanted = Card("poll", "Poll: When?", choices=tuple(map(Choice, ["Monday (2)", "Friday", "Never", "5"])))
    assert attachment_card("poll", poll) == wanted
    assert message_cards(text="hi", poll=poll) == (wanted,)


def test_a_thumbs_up_without_a_file_is_named() -> None:
    assert attachment_card("sticker", {"sticker_id": 369239263222822}) == Card("sticker", "👍 Thumbs up")


def test_content_in_a_field_of_an_unknown_name_is_described() -> None:
    (found,) = message_cards(hologram={"shape": "cat"})
    assert found.text == "Messenger sent content of the unknown type “hologram”.\nShape: cat"
    assert message_cards(text="hi", ai_score={"level": 1}) == ()


@pytest.mark.parametrize("text", [" ", "\u200b", "\n\t", "\u2066"])
def test_a_message_of_invisible_characters_says_so(text: str) -> None:
    assert [each.kind for each in message_cards(text=text)] == ["unsupported"]


def test_a_command_is_shown() -> None:
    assert message_cards(commands=[{"name": "flights"}]) == (Card("command", "Chose a command", "flights"),)


# --- Taps -------------------------------------------------------------------------------------------------------------
def test_a_tap_says_that_it_is_one_and_keeps_what_it_sent() -> None:
    assert card(item(postback={"title": "Start", "payload": "P"})) == Card("postback", "Tapped a button", payload="P")
    (tap,) = message_cards(text="Yes", quick_reply={"payload": "YES"})
    assert tap == Card("quick_reply", "Tapped a quick reply", payload="YES")


def test_a_postback_from_an_ad_keeps_both() -> None:
    assert [each.kind for each in cards(item(postback={"title": "Start", "referral": AD}))] == ["ad", "postback"]


def test_quick_replies_are_shown_as_choices() -> None:
    offered = [{"content_type": "text", "title": "Yes", "payload": "Y"}, {"content_type": "user_email"}, {"title": ""}]
    (found,) = message_cards(text="Sure?", quick_replies=offered)
    assert found.choices == (Choice("Yes", payload="Y"), Choice("Email"))

from typing import Any

import pytest

from channels_im.messenger.events import Card, card_for, parse_delivery
from tests.channels_im.messenger.deliveries import PAGE, delivery, item, text_message


def card(raw: Any) -> Card | None:
    (event,) = parse_delivery(delivery(raw))
    return card_for(event)


def attachment_card(kind: str, payload: Any = None, **beside: Any) -> Card | None:
    return card(item(message={"mid": "m", "attachments": [{"type": kind, "payload": payload, **beside}]}))


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
        item(postback={"title": "Start", "payload": "P"}),
    ],
)
def test_text_files_reactions_and_receipts_are_no_cards(raw: Any) -> None:
    assert card(raw) is None


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
    assert found is not None
    assert (found.kind, found.url) == (card_kind, "https://a.example/")


def test_a_share_that_meta_does_not_hand_on_is_unsupported() -> None:
    found = attachment_card("fallback")
    assert found is not None
    assert found.kind == "unsupported"


def test_a_file_without_an_address_is_a_card() -> None:
    found = attachment_card("video", {})
    assert found == Card("unsupported", "Video without a link")


def test_several_links_are_one_card() -> None:
    links = [{"type": "fallback", "payload": {"url": f"https://{name}.example/", "title": name}} for name in "ab"]
    assert card(item(message={"mid": "m", "attachments": links})) == Card(
        "link", "a", "b https://b.example/", "https://a.example/"
    )


def test_a_message_with_nothing_in_it_is_unsupported() -> None:
    for content in ({"mid": "m"}, {"mid": "m", "is_unsupported": True, "text": "x"}):
        found = card(item(message=content))
        assert found is not None
        assert found.kind == "unsupported"


def test_an_ad_is_named() -> None:
    referral = {"source": "ADS", "ad_id": 9, "ref": "r", "ads_context_data": {"ad_title": "Sale"}}
    assert card(item(referral=referral)) == Card("ad", "Came from an ad: Sale", "Reference: r\nAd 9")
    assert card(item(message={"mid": "m", "text": "hi", "referral": referral})) == card(item(referral=referral))


def test_a_link_to_the_page_is_a_referral() -> None:
    found = card(item(referral={"ref": "shop", "source": "SHORTLINK", "referer_uri": "https://a.example/"}))
    assert found == Card("referral", "Came through a link", "Reference: shop", "https://a.example/")


def test_a_question_about_a_product_names_it() -> None:
    found = card(item(message={"mid": "m", "text": "?", "referral": {"product": {"id": 77}}}))
    assert found == Card("referral", "Asks about a product", "Product 77")


@pytest.mark.parametrize(
    ("raw", "wanted"),
    [
        (item(optin={"title": "News", "payload": "P"}), Card("opt_in", "News", "P")),
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
            Card("unknown", "Unknown event", "Messenger sent an event of the unknown type “new_kind”."),
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
    assert found is not None
    assert found.title == "<img src=x onerror=alert(1)>"

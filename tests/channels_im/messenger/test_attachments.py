from typing import Any

import pytest

from channels_im.messenger.event_types import AttachmentRef
from channels_im.messenger.events import MessageReceived, parse_delivery
from tests.channels_im.messenger.deliveries import delivery, item

CDN = "https://scontent.xx.fbcdn.net"


def refs(*attachments: Any, **message: Any) -> tuple[AttachmentRef, ...]:
    (event,) = parse_delivery(delivery(item(message={"mid": "m", "attachments": list(attachments), **message})))
    assert isinstance(event, MessageReceived)
    return event.attachments


def ref(*attachments: Any, **message: Any) -> AttachmentRef:
    (found,) = refs(*attachments, **message)
    return found


@pytest.mark.parametrize("kind", ["image", "video", "audio", "file", "sticker"])
def test_files_carry_the_address_to_fetch(kind: str) -> None:
    found = ref({"type": kind, "payload": {"url": f"{CDN}/a"}})
    assert (found.type, found.url, found.is_file) == (kind, f"{CDN}/a", True)


@pytest.mark.parametrize("kind", ["fallback", "post", "ig_post", "reel", "ig_reel", "template", "new_thing"])
def test_links_are_never_files(kind: str) -> None:
    assert not ref({"type": kind, "payload": {"url": "https://evil.example/x"}}).is_file


def test_a_sticker_that_came_as_image_and_sticker_is_one() -> None:
    image = {"type": "image", "payload": {"url": f"{CDN}/s.png", "sticker_id": 369239263222822}}
    sticker = {"type": "sticker", "payload": {"url": f"{CDN}/s.png", "sticker_id": "369239263222822"}}
    for pair in ([image, sticker], [sticker, image]):
        found = ref(*pair)
        assert (found.type, found.sticker_id, found.url) == ("sticker", "369239263222822", f"{CDN}/s.png")


def test_a_sticker_pair_is_known_by_its_address_alone() -> None:
    image = {"type": "image", "payload": {"url": f"{CDN}/s.png"}}
    sticker = {"type": "sticker", "payload": {"url": f"{CDN}/s.png"}}
    assert ref(image, sticker).type == "sticker"


def test_a_sticker_pair_is_known_by_its_id_alone() -> None:
    image = {"type": "image", "payload": {"url": f"{CDN}/s1.png", "sticker_id": 5}}
    sticker = {"type": "sticker", "payload": {"url": f"{CDN}/s2.png", "sticker_id": 5}}
    assert ref(image, sticker).url == f"{CDN}/s2.png"


def test_a_picture_beside_a_sticker_stays() -> None:
    image = {"type": "image", "payload": {"url": f"{CDN}/photo.jpg"}}
    sticker = {"type": "sticker", "payload": {"url": f"{CDN}/s.png", "sticker_id": 5}}
    assert [found.type for found in refs(image, sticker)] == ["image", "sticker"]


def test_the_old_form_of_a_sticker_is_a_sticker() -> None:
    assert ref({"type": "image", "payload": {"url": f"{CDN}/s.png", "sticker_id": 5}}).type == "sticker"


def test_two_equal_pictures_stay_two() -> None:
    image = {"type": "image", "payload": {"url": f"{CDN}/a.jpg"}}
    assert len(refs(image, image)) == 2


@pytest.mark.parametrize(
    "payload",
    [
        {"images": [{"url": f"{CDN}/1"}, {"url": "//scontent.xx.fbcdn.net/2"}, {"id": 3}]},
        {"elements": [{"payload": {"image_url": f"{CDN}/1"}}, {"image_url": f"{CDN}/2"}]},
        {"data": [f"{CDN}/1", f"{CDN}/2", None]},
    ],
)
def test_the_pictures_of_a_grid_are_files(payload: dict[str, Any]) -> None:
    found = refs({"type": "IMAGE_GRID", "payload": payload})
    assert [(each.type, each.url, each.is_file) for each in found] == [
        ("image", f"{CDN}/1", True),
        ("image", f"{CDN}/2", True),
    ]


def test_a_shared_link_without_payload_keeps_what_stands_beside_it() -> None:
    found = ref({"type": "fallback", "payload": None, "title": "A page", "url": "https://shop.example/"})
    assert (found.title, found.url) == ("A page", "https://shop.example/")


def test_a_share_without_anything_is_kept() -> None:
    found = ref({"type": "fallback"})
    assert (found.type, found.url, found.title) == ("fallback", None, None)


@pytest.mark.parametrize(
    "url", ["javascript:alert(1)", "data:text/html,x", "file:///etc/passwd", "//x", "https://a b", "", 5, None, ["x"]]
)
def test_only_web_addresses_are_handed_on(url: Any) -> None:
    assert ref({"type": "fallback", "payload": {"url": url}}).url is None


@pytest.mark.parametrize("junk", [None, 5, "x", [], {}, {"type": 5}, {"type": ""}, {"type": None, "payload": []}])
def test_an_attachment_of_junk_is_unknown(junk: Any) -> None:
    found = ref(junk)
    assert (found.type, found.url, found.is_file) == ("unknown", None, False)


@pytest.mark.parametrize("junk", [5, "x", True, {"a": 1}])
def test_attachments_that_are_no_list_are_tolerated(junk: Any) -> None:
    (event,) = parse_delivery(delivery(item(message={"mid": "m", "text": "t", "attachments": junk})))
    assert isinstance(event, MessageReceived)
    assert event.text == "t"

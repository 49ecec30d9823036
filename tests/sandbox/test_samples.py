"""Every thing that the Messenger window can send besides text and files reaches the app in a signed webhook."""

import pytest

from channels_im.messenger.events import cards_for, parse_delivery
from sandbox.samples import SAMPLES
from tests.sandbox.process import BERG_BIKES, SandboxProcess
from tests.sandbox.receiver import Receiver

pytestmark = pytest.mark.processes


def test_each_sample_is_sent_as_its_side_sends_it(
    sandbox: SandboxProcess, token: str, psid: str, receiver: Receiver
) -> None:
    for name in SAMPLES:
        answer = sandbox.control("POST", "customers/lena/samples", {"page_id": BERG_BIKES, "name": name})
        assert answer.get("mid") or answer.get("id"), name
        if name == "taken_old_form":
            sandbox.control("POST", f"pages/{BERG_BIKES}/owner", {"psid": psid, "app_id": "", "emit": False})
    wanted = {side: sum(sample.side == side for sample in SAMPLES.values()) for side in ("customer", "page", "bot")}
    messages = [item["message"] for item in receiver.wait_items("message", sum(wanted.values()))]
    echoes = [message for message in messages if message.get("is_echo")]
    assert len(echoes) == wanted["page"] + wanted["bot"]
    assert any(message.get("referral", {}).get("ad_id") and message.get("text") for message in messages)
    assert any(message.get("reply_to", {}).get("story") for message in messages)
    assert any(message.get("quick_replies") for message in echoes)
    (taken,) = [item["take_thread_control"] for item in receiver.wait_items("take_thread_control")]
    assert "new_owner_app_id" not in taken
    assert len(receiver.wait_items("optin", 2)) == 2
    receiver.wait(lambda: any(b'"calls"' in post.raw for post in receiver.posts))
    cards = [card for post in receiver.posts for event in parse_delivery(post.raw) for card in cards_for(event)]
    unnamed = {card.text.partition("\n")[0] for card in cards if card.kind in ("unsupported", "unknown")}
    assert unnamed == {
        "Messenger sent content of the unknown type “hologram”.",
        "Open the Page inbox on Facebook to see it.",
    }
    kinds = {"ad", "story", "reel", "post", "location", "contact", "poll", "gif", "wave", "ephemeral", "template"}
    kinds |= {
        "quick_replies",
        "receipt",
        "coupon",
        "boarding_pass",
        "itinerary",
        "feedback_request",
        "opt_in",
        "opt_out",
    }
    assert kinds | {"handover", "call", "link", "unsupported"} == {card.kind for card in cards}


def test_an_unknown_sample_is_refused_with_the_names(sandbox: SandboxProcess, token: str) -> None:
    with pytest.raises(AssertionError, match="no sample called nothing"):
        sandbox.control("POST", "customers/lena/samples", {"page_id": BERG_BIKES, "name": "nothing"})

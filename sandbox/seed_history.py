"""The demo history: ten conversations of Berg Bikes in the ten days before the first start."""

from typing import Any

from sandbox import chat, files, ids
from sandbox.seed_files import bike_photo, invoice_pdf
from sandbox.world import World

PAGE = "101000000000001"
HOUR = 60
DAY = 24 * 60
# By customer: (minutes before the first start, author, text or file, options). `alice` and `bob` write for the Page,
# `inbox` is somebody in the Page's own inbox, any other author is the customer.
HISTORY: dict[str, list[tuple[Any, ...]]] = {
    "lena": [
        (3 * HOUR + 12, "lena", "Hi! Is the Tura 50 in petrol still available in 54 cm?"),
        (3 * HOUR + 5, "alice", "Hello Lena, yes, we have two of them in the shop. Would you like to try one?"),
        (3 * HOUR + 2, "lena", "Great! Could I come by tomorrow after 5?"),
        (2 * HOUR + 58, "alice", "We are open until 7 pm. Shall I put one aside for you?", {"reaction": "love"}),
        (22, "lena", "Yes please, under Fischer. And do you take my old bike in part exchange?"),
    ],
    "joao": [
        (5 * HOUR + 40, "joao", "Olá, my order 40718 says shipped but the tracking does not move since Monday"),
        (5 * HOUR + 21, "bob", "Hello João, sorry about that. Let me ask the carrier."),
        (4 * HOUR + 50, "bob", "They found it: the parcel is in the depot in Leipzig and leaves tonight."),
        (4 * HOUR + 44, "joao", "Perfect, thanks for the quick answer 😊"),
    ],
    "sara": [
        (50, "sara", "Hej! My chain jumps when I pedal hard. Is this worn?"),
        (49, "sara", {"file": "photo"}),
        (41, "alice", "Hello Sara, thank you for the photo. It looks like the cassette, not the chain."),
        (38, "sara", "How much would that be?", {"reply_to": 2}),
    ],
    "tom": [
        (26 * HOUR, "tom", "Is the workshop open on Saturday?"),
        (25 * HOUR + 30, "bob", "Yes, from 10 to 2. For a repair please book on the web site or tell me here."),
        (25 * HOUR + 10, "tom", "Rear brake, squeaks like a pig. 11 o'clock?"),
        (25 * HOUR, "bob", "Saturday 11:00 is yours, Tom. It takes about half an hour."),
        (24 * HOUR + 55, "tom", "Perfect, see you then"),
    ],
    "priya": [
        (3 * DAY + 4 * HOUR, "priya", "Could you send me the invoice for my order from last week again?"),
        (3 * DAY + 3 * HOUR + 40, "alice", "Of course, here it is."),
        (3 * DAY + 3 * HOUR + 39, "alice", {"file": "invoice"}),
        (3 * DAY + 3 * HOUR + 20, "priya", "Got it, thank you!", {"reply_to": 2}),
    ],
    "marek": [
        (3 * DAY + 9 * HOUR, "marek", "Which size for 1,86 m? I look at the Tura 50"),
        (3 * DAY + 8 * HOUR + 30, "bob", "At 1.86 m the 58 cm frame fits most people. Inside leg?"),
        (3 * DAY + 8 * HOUR, "marek", "88 cm"),
        (3 * DAY + 7 * HOUR + 45, "bob", "Then 58 it is. Come for a test ride, you will feel it at once."),
        (3 * DAY + 2 * HOUR, "marek", "And is delivery to Szczecin possible?"),
    ],
    "chloe": [
        (5 * DAY + 2 * HOUR, "chloe", "Bonjour, do you rent out e-bikes for a weekend?"),
        (5 * DAY + 1 * HOUR + 30, "alice", "Bonjour Chloé! Yes: 45 € a day, 80 € for the weekend, helmet included."),
        (5 * DAY + 1 * HOUR, "chloe", "Super. Two bikes from the 28th please, 165 cm and 180 cm"),
        (5 * DAY + 40, "alice", "Reserved. Please bring an ID card; we ask 150 € deposit for each bike."),
        (4 * DAY + 3 * HOUR, "chloe", "Merci, à bientôt!"),
    ],
    "yusuf": [
        (6 * DAY + 5 * HOUR, "yusuf", "The lights you sold me stopped working after two weeks."),
        (6 * DAY + 4 * HOUR + 30, "inbox", "Sorry to hear that! Bring them in with the receipt and we swap them."),
        (6 * DAY + 4 * HOUR, "yusuf", "I only have the order number: 40122"),
        (6 * DAY + 3 * HOUR + 50, "bob", "That is enough, I put it on the order. See you!"),
        (5 * DAY + 20 * HOUR, "yusuf", "Swapped today, nice service. Thanks"),
    ],
    "ines": [
        (8 * DAY + 3 * HOUR, "ines", "Hola, do you ship child seats to Spain?"),
        (8 * DAY + 2 * HOUR, "alice", "Hello Inés, yes, 14.90 € with DHL, three to four days."),
        (8 * DAY + 1 * HOUR, "ines", "Thanks, I will think about it"),
    ],
    "kofi": [
        (9 * DAY + 6 * HOUR, "kofi", "Do you buy used road bikes?"),
        (
            9 * DAY + 5 * HOUR + 20,
            "bob",
            "Hello, yes, from 2018 on. Photos and the frame number help us to make an offer.",
        ),
        (9 * DAY + 5 * HOUR, "kofi", "Ok, will send at the weekend"),
        (9 * DAY + 4 * HOUR + 50, "bob", "Looking forward to it."),
    ],
}


def seed(world: World) -> None:
    """Add the history, without webhooks. Message ids are the same at every start; times count back from now."""
    photo = files.add(world, "chain.jpg", bike_photo(), "image/jpeg", key="4000000000000001")
    invoice = files.add(world, "invoice-2026-1187.pdf", invoice_pdf(), "application/pdf", key="4000000000000002")
    shared = {"photo": {"type": "image", "file": photo["id"]}, "invoice": {"type": "file", "file": invoice["id"]}}
    start = world.now_ms()
    for customer_id, lines in HISTORY.items():
        customer = world.store.customers[customer_id]
        mids = [ids.stable_mid(f"{customer_id}:{number}") for number in range(len(lines))]
        thread = world.open_thread(PAGE, customer_id)
        for number, (minutes, author, text_or_file, *more) in enumerate(lines):
            options: dict[str, Any] = more[0] if more else {}
            text = text_or_file if isinstance(text_or_file, str) else None
            content: dict[str, Any] = {"text": text} if text else {"attachments": [shared[text_or_file["file"]]]}
            timing: dict[str, Any] = {"timestamp": start - minutes * 60_000, "mid": mids[number], "silent": True}
            # reply_to is the index of a line of the same conversation.
            reply_to = mids[options["reply_to"]] if "reply_to" in options else None
            if author == customer_id:
                message = chat.customer_message(world, customer, PAGE, reply_to=reply_to, **content, **timing)
            else:
                by_inbox = author == "inbox"
                message = chat.page_message(
                    world,
                    thread,
                    content,
                    app_id=chat.INBOX_APP_ID if by_inbox else world.config.app_id,
                    author=None if by_inbox else author,
                    reply_to=reply_to,
                    **timing,
                )
                message["delivered_at"] = message["ts"] + 400
            if "reaction" in options:
                message["reactions"]["customer"] = chat.reaction(options["reaction"])
        last = world.thread_messages(thread["key"])[-1]["ts"]
        thread["read_watermark"] = thread["delivered_watermark"] = last
        world.save_thread(thread)

"""Control API: made-up conversations of the past, for what reads many of them."""

from typing import Any

from starlette.requests import Request

from sandbox import chat, ids, seed_people
from sandbox.control.endpoint import Body
from sandbox.world import World

MOST = 5000  # messages of one call
MINUTE, DAY = 60_000, 24 * 60 * 60_000


def post_history(world: World, request: Request, body: Body) -> Any:
    """POST pages/{page}/history {conversations, messages?, days?, minutes?}: conversations of new customers.

    Their newest messages are spread evenly over the last `days` (100), each conversation has `messages` (25), one in
    `minutes` (90), by the customer and from the Page inbox in turn. No webhook is sent. Answers {psids}, newest first.
    """
    page_id = request.path_params["page"]
    if page_id not in world.store.pages:
        raise ValueError(f"There is no Page {page_id}.")
    conversations, messages = int(body["conversations"]), int(body.get("messages", 25))
    days, minutes = float(body.get("days", 100)), float(body.get("minutes", 90))
    if conversations < 1 or messages < 1 or conversations * messages > MOST or days < 0 or minutes < 0:
        raise ValueError(f"At least one conversation and message, and at most {MOST} messages at once.")
    now, psids = world.now_ms(), []
    for number in range(conversations):
        customer = seed_people.add_customer(world, ids.new_number("9"), "Past", f"Customer {number + 1}")
        thread = world.open_thread(page_id, customer["id"])
        newest = now - int(days * DAY * (number + 0.5) / conversations)
        for place in range(messages):
            at = newest - int((messages - 1 - place) * minutes * MINUTE)
            text = f"Line {place + 1} of {messages}"
            if place % 2:
                chat.inbox_message(world, thread, {"text": text}, timestamp=at, silent=True)
            else:
                chat.customer_message(world, customer, page_id, text=text, timestamp=at, silent=True)
        psids.append(thread["psid"])
    return {"psids": psids}

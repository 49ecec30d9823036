"""The Send API: POST /{page-id}/messages (DOC/reference/send-api)."""

from typing import Any

from sandbox import chat, errors
from sandbox.errors import GraphError
from sandbox.graph import attachments, templates
from sandbox.graph.call import Call
from sandbox.store import Doc
from sandbox.world import World

DAY_MS = 24 * 3600 * 1000
TEXT_LIMIT = 2000  # "less than 2000 characters"
ACTIONS = {"typing_on", "typing_off", "mark_seen", "react", "unreact"}
RETIRED_TAGS = {"ACCOUNT_UPDATE", "CONFIRMED_EVENT_UPDATE", "POST_PURCHASE_UPDATE"}


async def post_messages(call: Call) -> dict[str, Any]:
    """Send a message or a sender action; answers {recipient_id, message_id[, attachment_id]}."""
    page = call.require_page_token(call.node)
    require_messaging(call, page)
    thread = recipient_thread(call, page)
    action = call.text("sender_action")
    message = call.json("message")
    if action is not None:
        if message is not None:
            raise errors.parameter("The sender_action parameter must be sent alone with recipient.", 2018014)
        return sender_action(call, thread, action)
    if not isinstance(message, dict):
        raise errors.parameter("The parameter message is required.")
    check_recipient(call.world, thread)
    check_window(call.world, thread, call.text("messaging_type"), call.text("tag"), message)
    check_owner(call.world, thread)
    content, attachment_id = await message_content(call, page, message)
    reply_to = _reply_to(call, thread)
    sent = chat.page_message(
        call.world,
        thread,
        content,
        app_id=call.world.config.app_id,
        metadata=message.get("metadata"),
        reply_to=reply_to,
    )
    control = call.json("thread_control")
    if isinstance(control, dict):
        owner = str(control.get("app_id")) if control.get("control_type") == "pass" else None
        chat.change_owner(call.world, thread, owner, emit=False)
    answer = {"recipient_id": thread["psid"], "message_id": sent["mid"]}
    if attachment_id:
        answer["attachment_id"] = attachment_id
    return answer


def require_messaging(call: Call, page: Doc) -> None:
    """Raise GraphError when permission, task or a restriction of the Page stops every message of the Page."""
    call.require_permission("pages_messaging", as_error_10=True)
    call.require_task(page, "MESSAGING")
    if page["restricted"]:
        raise GraphError(
            10, "(#10) The Page is temporarily restricted from sending messages because of policy violations.", 1893063
        )


def recipient_thread(call: Call, page: Doc) -> Doc:
    """Return the thread of `recipient.id`. Raise GraphError 100/2018001 for a PSID that the Page does not know."""
    recipient = call.json("recipient")
    if not isinstance(recipient, dict) or not recipient:
        raise errors.parameter("The parameter recipient is required.")
    if "id" not in recipient:
        raise errors.parameter("The sandbox plays only recipient.id, not user_ref, comment_id or post_id.")
    thread = call.world.store.threads.get(f"{page['id']}:{recipient['id']}")
    if thread is None:
        raise errors.parameter("No matching user found.", 2018001)
    if not call.world.config.app_live and not call.world.store.customers[thread["customer"]]["app_role"]:
        raise GraphError(
            200,
            "(#200) Cannot message users who are not admins, developers or testers of the app until pages_messaging"
            " permission is reviewed and the app is live.",
            2018028,
            status=403,
        )
    return thread


def check_recipient(world: World, thread: Doc) -> None:
    """Raise GraphError 551/1545041 or 10/2018108 when the customer cannot be reached."""
    state = world.store.customers[thread["customer"]]["availability"]
    if state == "deactivated" or (state == "blocked_page" or thread["page"] in _blocked(world, thread)):
        raise GraphError(551, "(#551) This person isn't available right now.", 1545041)
    if state == "cannot_receive":
        raise GraphError(10, "(#10) This person cannot receive messages right now.", 2018108)


def _blocked(world: World, thread: Doc) -> list[str]:
    return world.store.customers[thread["customer"]].get("blocked_pages", [])


def check_window(world: World, thread: Doc, messaging_type: str | None, tag: str | None, message: Doc) -> None:
    """Raise GraphError 10/2018278 outside the window: 24 h from the customer's last action, 7 days with HUMAN_AGENT.

    With `ad_window`, ordinary messages are accepted for 7 days after an ad brought the customer. Source:
    DOC/send-messages.
    """
    kind = messaging_type or ("MESSAGE_TAG" if tag else "RESPONSE")
    if kind not in {"RESPONSE", "UPDATE", "MESSAGE_TAG", "UTILITY"}:
        raise errors.parameter(
            "Param messaging_type must be one of {RESPONSE, UPDATE, MESSAGE_TAG, UTILITY} - got value: " + kind
        )
    if kind == "UTILITY":
        if not message.get("template"):
            raise errors.parameter("A message of messaging_type UTILITY needs message[template].")
        return
    if message.get("template"):
        raise errors.parameter("The parameter message[template] needs messaging_type UTILITY.")
    age = world.now_ms() - thread["last_action_at"]
    if kind == "MESSAGE_TAG":
        if tag is None:
            raise errors.parameter("The parameter tag is required with messaging_type MESSAGE_TAG.")
        if tag in RETIRED_TAGS:
            raise errors.parameter(f"The message tag {tag} is no longer supported.", 1893061)
        if tag != "HUMAN_AGENT":
            raise errors.parameter(f"Param tag must be one of {{HUMAN_AGENT, CUSTOMER_FEEDBACK}} - got value: {tag}")
        if not world.config.human_agent:
            raise GraphError(3, "(#3) Application does not have the capability to make this API call: Human Agent.")
        if age < 7 * DAY_MS:
            if message.get("sticker_id"):
                raise errors.parameter("Stickers can be sent only inside the standard messaging window.")
            return
    elif tag is not None:
        raise errors.parameter("The parameter tag needs messaging_type MESSAGE_TAG.")
    elif age < DAY_MS or (world.config.ad_window and world.now_ms() - thread.get("ad_at", 0) < 7 * DAY_MS):
        return
    raise GraphError(
        10,
        "(#10) This message is sent outside of allowed window. Learn more about the new policy here:"
        " https://developers.facebook.com/docs/messenger-platform/policy-overview",
        2018278,
    )


def check_owner(world: World, thread: Doc) -> None:
    """Raise GraphError 10/2018300 while another app holds the thread (in the words that chatwoot quotes)."""
    if chat.owner(world, thread) not in (None, world.config.app_id):
        raise GraphError(10, "(#10) Message not sent: another app is controlling this thread now.", 2018300)


def _reply_to(call: Call, thread: Doc) -> str | None:
    reply_to = call.json("reply_to")
    if reply_to is None:
        return None
    mid = reply_to.get("mid") if isinstance(reply_to, dict) else None
    message = call.world.store.messages.get(mid or "")
    if message is None or message["thread"] != thread["key"]:
        raise errors.parameter("Param reply_to[mid] must be a message of this conversation.")
    return mid


def sender_action(call: Call, thread: Doc, action: str) -> dict[str, Any]:
    """Do typing_on, typing_off, mark_seen, react or unreact; the answer has only recipient_id."""
    if action not in ACTIONS:
        raise errors.parameter(
            f"Param sender_action must be one of {{{', '.join(sorted(ACTIONS))}}} - got value: {action}"
        )
    if action in {"react", "unreact"}:
        payload = call.json("payload")
        mid = payload.get("message_id") if isinstance(payload, dict) else None
        message = call.world.store.messages.get(mid or "")
        if message is None or message["thread"] != thread["key"]:
            raise errors.parameter("Param payload[message_id] must be a message of this conversation.")
        if action == "react":
            message["reactions"]["page"] = chat.reaction(str(payload.get("reaction") or "love"))
        else:
            message["reactions"].pop("page", None)
        call.world.save_message(message)
    elif action == "mark_seen":
        thread["page_seen_at"] = call.world.now_ms()
        call.world.save_thread(thread)
    else:
        thread["typing"] = call.world.now_ms() if action == "typing_on" else False
        call.world.save_thread(thread)
    return {"recipient_id": thread["psid"]}


async def message_content(call: Call, page: Doc, message: dict[str, Any]) -> tuple[dict[str, Any], str | None]:
    """Return the content of `message` to store, and the attachment id when is_reusable is set."""
    text = message.get("text")
    several = message.get("attachments")
    single = message.get("attachment")
    metadata = message.get("metadata")
    if metadata is not None and (not isinstance(metadata, str) or len(metadata) >= 1000):
        raise errors.parameter("Param message[metadata] must be a string of less than 1000 characters.")
    template = message.get("template")
    given = [part for part in (text, single, several, message.get("sticker_id"), template) if part]
    if not given:
        raise errors.parameter("Message cannot be empty, must provide valid attachment or text", 2018034)
    if len(given) > 1:
        raise errors.parameter("Cannot have both text and attachment in one message.")
    if template:
        return templates.content_of(call, page, template), None
    content: dict[str, Any] = {}
    if message.get("quick_replies"):
        replies = message["quick_replies"]
        if not isinstance(replies, list) or len(replies) > 13:
            raise errors.parameter("Param message[quick_replies] must be a list of at most 13.")
        content["quick_replies"] = replies
    if text:
        if not isinstance(text, str):
            raise errors.parameter("Param message[text] must be a string.")
        if len(text) >= TEXT_LIMIT:
            raise errors.parameter("Length of param message[text] must be less than 2000")
        return {**content, "text": text}, None
    if message.get("sticker_id"):
        if not call.world.config.stickers or not str(message["sticker_id"]).isdigit():
            raise errors.parameter("Param message[sticker_id] must be a sticker that the Page can send.")
        return {**content, "attachments": [{"type": "sticker", "sticker_id": str(message["sticker_id"])}]}, None
    if several:
        if (
            not isinstance(several, list)
            or len(several) > 30
            or any(not isinstance(item, dict) or item.get("type") != "image" for item in several)
        ):
            raise errors.parameter("Param message[attachments] must be a list of at most 30 images.")
        return {**content, "attachments": [(await attachments.store(call, page, item))[0] for item in several]}, None
    if not isinstance(single, dict):
        raise errors.parameter("Param message[attachment] must be an object.")
    stored, attachment_id = await attachments.store(call, page, single)
    return {**content, "attachments": [stored]}, attachment_id

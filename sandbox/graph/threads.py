"""Thread control (DOC/conversation-routing) and the Moderate Conversations API."""

from typing import Any

from sandbox import chat, errors
from sandbox.errors import GraphError
from sandbox.graph import send
from sandbox.graph.call import Call

MODERATIONS = {"block_user", "unblock_user", "ban_user", "unban_user", "move_to_spam"}


def control(call: Call, edge: str) -> dict[str, Any]:
    """POST /{page-id}/pass_thread_control, take_, request_, release_ and extend_thread_control."""
    page = call.require_page_token(call.node)
    send.require_messaging(call, page)
    thread = send.recipient_thread(call, page)
    world, ours = call.world, call.world.config.app_id
    owner = chat.owner(world, thread)
    metadata = call.text("metadata") or ""
    if edge == "take_thread_control":
        if not page["default_app"]:
            raise GraphError(27, "(#27) Take thread control is refused because the Page has set no default app.")
        chat.change_owner(world, thread, ours, metadata=metadata)
    elif edge == "request_thread_control":
        pass  # the event goes to the app that holds the thread
    elif owner not in (None, ours):
        raise errors.parameter("The action is invalid since it is not the thread owner.", 2534037)
    elif edge == "pass_thread_control":
        target = call.text("target_app_id")
        if not target or not target.isdigit():
            raise errors.parameter("Incorrect app ID.", 2018164)
        chat.change_owner(world, thread, target, metadata=metadata)
    elif edge == "release_thread_control":
        chat.change_owner(world, thread, None, metadata=metadata)
    elif edge == "extend_thread_control":
        duration = call.text("duration") or "0"
        if not duration.isdigit() or not 0 < int(duration) <= 7 * 86400:
            raise errors.parameter("Param duration must be between 1 second and 7 days.")
        thread["owner_until"] = world.now() + int(duration)
        world.save_thread(thread)
    return {"success": True}


def thread_owner(call: Call) -> dict[str, Any]:
    """GET /{page-id}/thread_owner?recipient=PSID."""
    page = call.require_page_token(call.node)
    recipient = call.text("recipient") or ""
    thread = call.world.store.threads.get(f"{page['id']}:{recipient}")
    if thread is None:
        raise errors.parameter("No matching user found.", 2018001)
    owner = chat.owner(call.world, thread)
    if owner is None:
        return {"data": []}
    return {"data": [{"thread_owner": {"app_id": owner, "expiration": int(thread["owner_until"])}}]}


def moderate(call: Call) -> dict[str, Any]:
    """POST /{page-id}/moderate_conversations: up to 10 people, up to 2 actions, not block and unblock together."""
    page = call.require_page_token(call.node)
    call.require_permission("pages_messaging", as_error_10=True)
    call.require_task(page, "MESSAGING", "MODERATE")
    people, actions = call.json("user_ids"), call.json("actions")
    if not isinstance(people, list) or not 0 < len(people) <= 10:
        raise errors.parameter("Param user_ids must be a list of 1 to 10.")
    if not isinstance(actions, list) or not 0 < len(actions) <= 2:
        raise errors.parameter("Param actions must be a list of 1 or 2.")
    names = [str(action).lower() for action in actions]
    if (
        set(names) - MODERATIONS
        or {"block_user", "unblock_user"} <= set(names)
        or {"ban_user", "unban_user"} <= set(names)
    ):
        raise errors.parameter(f"Param actions is invalid: {', '.join(map(str, actions))}")
    threads = []
    for person in people:
        psid = str(person.get("id")) if isinstance(person, dict) else str(person)
        thread = call.world.store.threads.get(f"{page['id']}:{psid}")
        if thread is None:
            raise errors.parameter(f"Param user_ids has a person without a conversation: {psid}")
        threads.append(thread)
    for thread in threads:
        for action in names:
            if action == "move_to_spam":
                thread["spam"] = True
            else:
                thread["blocked"] = action in {"block_user", "ban_user"}
        call.world.save_thread(thread)
    return {"success": True}


def blocked(call: Call) -> dict[str, Any]:
    """GET, POST and DELETE /{page-id}/blocked, the older edge for the same (psid or psid[])."""
    page = call.require_page_token(call.node)
    world = call.world
    if call.method == "GET":
        threads = [
            thread for thread in world.store.threads.values() if thread["page"] == page["id"] and thread["blocked"]
        ]
        return {
            "data": [
                {"id": thread["psid"], "name": world.store.customers[thread["customer"]]["name"]} for thread in threads
            ]
        }
    call.require_task(page, "MODERATE")
    people = call.json("psid")
    answer = {}
    for psid in people if isinstance(people, list) else [people]:
        thread = world.store.threads.get(f"{page['id']}:{psid}")
        if thread is None:
            raise errors.parameter("No matching user found.", 2018001)
        thread["blocked"] = call.method == "POST"
        world.save_thread(thread)
        answer[str(psid)] = True
    return answer if call.method == "POST" else {"success": True}

"""Read conversations and messages from the Conversations API. Source: Meta, "Conversations API".

Meta gives details of the newest 20 messages of a conversation only, and allows 2 calls per second and Page: callers
wait for their turn (services.facebook.pace).
"""

from dataclasses import dataclass
from datetime import datetime

from django.views.decorators.debug import sensitive_variables

from channels_im.messenger.client import GraphClient, next_cursor, node
from channels_im.messenger.graph_messages import (
    NEWEST,
    GraphConversation,
    GraphMessage,
    parse_conversation,
    parse_message,
    parse_messages,
)
from channels_im.messenger.values import as_dict

CONVERSATIONS_PER_CALL = 10
IDS_PER_CALL = 100
_MESSAGE_FIELDS = "id,created_time,from,to,message,attachments,sticker,shares,reply_to"
_NEWEST_MESSAGES = f"messages.limit({NEWEST}){{{_MESSAGE_FIELDS}}}"


@dataclass(frozen=True)
class ConversationList:
    """One result page of conversations; `after` is the cursor of the next one, None when this is the last."""

    conversations: tuple[GraphConversation, ...]
    after: str | None


@dataclass(frozen=True)
class MessageList:
    """One result page of the messages of a conversation, newest first, most of them without details."""

    messages: tuple[GraphMessage, ...]
    after: str | None


@sensitive_variables("token")
def recent_messages(page_id: str, psid: str, token: str) -> list[GraphMessage]:
    """Return the newest messages between the Page and this contact, at most 20, newest first; [] without any."""
    answer = GraphClient(token).get(
        f"{node(page_id)}/conversations", platform="messenger", user_id=psid, fields=f"id,{_NEWEST_MESSAGES}"
    )
    threads = answer.get("data")
    messages: dict[str, GraphMessage] = {}
    for thread in threads if isinstance(threads, list) else []:
        for message in parse_messages(as_dict(thread).get("messages"), page_id):
            messages.setdefault(message.mid, message)
    return sorted(messages.values(), key=lambda message: message.created_at, reverse=True)[:NEWEST]


@sensitive_variables("token")
def read_message(mid: str, page_id: str, token: str) -> GraphMessage | None:
    """Return one message with fresh file URLs, or None when it has no id or time. Raises GraphError (9000001: gone)."""
    return parse_message(GraphClient(token).get(node(mid), fields=_MESSAGE_FIELDS), page_id)


@sensitive_variables("token")
def list_conversations(
    page_id: str, token: str, *, after: str | None = None, limit: int = CONVERSATIONS_PER_CALL
) -> ConversationList:
    """Return a result page of the Page's conversations with their newest messages: the last changed ones first.

    One call. `after` is the cursor of the result page before. Rows that make no sense are left out.
    """
    answer = GraphClient(token).get(
        f"{node(page_id)}/conversations",
        platform="messenger",
        fields=f"id,updated_time,participants,message_count,{_NEWEST_MESSAGES}",
        limit=limit,
        after=after,
    )
    rows = answer.get("data")
    found = (parse_conversation(row, page_id) for row in (rows if isinstance(rows, list) else []))
    return ConversationList(tuple(one for one in found if one), _after(answer, after))


@sensitive_variables("token")
def list_changes(page_id: str, token: str, *, after: str | None = None, limit: int = IDS_PER_CALL) -> ConversationList:
    """Return a result page of the Page's conversations without messages, the last changed ones first. One call."""
    answer = GraphClient(token).get(
        f"{node(page_id)}/conversations", platform="messenger", fields="id,updated_time", limit=limit, after=after
    )
    rows = answer.get("data")
    found = (parse_conversation(row, page_id) for row in (rows if isinstance(rows, list) else []))
    return ConversationList(tuple(one for one in found if one), _after(answer, after))


@sensitive_variables("token")
def list_messages(conversation_id: str, page_id: str, token: str, *, after: str | None = None) -> MessageList:
    """Return a result page with ids and times of a conversation's messages, newest first. One call."""
    answer = GraphClient(token).get(
        f"{node(conversation_id)}/messages", fields="id,created_time", limit=IDS_PER_CALL, after=after
    )
    return MessageList(parse_messages(answer, page_id), _after(answer, after))


def _after(answer: dict[str, object], before: str | None) -> str | None:
    """Return the cursor of the next result page, or None when there is none, or it is the one that was asked for."""
    cursor = next_cursor(as_dict(answer.get("paging")))
    return None if cursor == before else cursor


def is_older(conversation: GraphConversation, since: datetime) -> bool:
    """Return whether Meta says that the conversation was last changed before this time."""
    return conversation.updated_at is not None and conversation.updated_at < since

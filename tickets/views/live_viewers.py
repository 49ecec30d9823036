"""Who has which of the changed conversations open now, and may see it: they are sent its thread."""

from collections.abc import Collection
from dataclasses import dataclass

from desk.live.fanout import Payload
from desk.models import User
from desk.prepared import PreparedModels
from tickets.models import Conversation
from tickets.services.conversation import access
from tickets.services.inbox import viewers
from tickets.views.live_rows import Reader


@dataclass(frozen=True)
class OpenPage:
    """A reader, their user, and a conversation that a page of theirs shows. Read from the database just now."""

    reader: Reader
    user: User
    conversation: Conversation


_users = PreparedModels[User](lambda *, ids: User.objects.filter(pk__in=ids))


def open_pages(payloads: Collection[Payload], readers: Collection[Reader]) -> list[OpenPage]:
    """Return the open pages that these changes concern, in a constant number of queries; one when there are none.

    A reader whose permissions changed since `live_rows.reader_of` is left out: the stream notices it and sends `sync`.
    """
    ids = {payload["conversation"] for payload in payloads}
    viewing = viewers.viewing(ids, {reader.user_id for reader in readers})
    if not viewing:
        return []
    users = _users.by_id({user_id for user_id, _conversation in viewing})
    current = access.facts_for_users(users)
    conversations = access.by_id_with_related({pk for _user, pk in viewing}).values()
    return [
        OpenPage(reader, users[reader.user_id], conversation)
        for conversation in conversations
        for reader in readers
        if (reader.user_id, conversation.pk) in viewing
        and current.get(reader.user_id) == reader.facts
        and access.visible(reader.facts, access.ids_of(conversation))
    ]

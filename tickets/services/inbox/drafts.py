"""Unsent drafts, stored for each agent and conversation."""

from collections.abc import Collection

from django.db import transaction

from desk.models import User
from desk.prepared import Prepared
from desk.text import head
from tickets.models import Contact, Conversation, Draft

DRAFT_LIMIT = 20_000  # characters; more than the limit of a reply, so that a text that is too long is not lost


def read(user: User, conversation: Conversation) -> str:
    """Return the user's own draft, or an empty string."""
    return texts_of([user.pk], [conversation.pk]).get((user.pk, conversation.pk), "")


def save(user: User, conversation: Conversation, text: str, known: Collection[str] | None = None) -> str | None:
    """Save the draft, cut to DRAFT_LIMIT characters. A blank text deletes it. Return None.

    `known` are the texts that the page has seen or saved. When the draft is none of them, another page has changed it:
    then nothing is saved, and that text returned. Without `known` the draft is replaced, whatever it is.
    Saves nothing for an erased contact: a page that is still open may send what it has.
    """
    text = _cleaned(text)
    with transaction.atomic():
        draft = Draft.objects.select_for_update().filter(user=user, conversation=conversation).first()
        if draft and known is not None and draft.text not in {text, *map(_cleaned, known)}:
            return draft.text
        if text.strip() and not Contact.objects.filter(conversations=conversation, erased_at__isnull=False).exists():
            Draft.objects.update_or_create(user=user, conversation=conversation, defaults={"text": text})
        elif draft:
            draft.delete()
    return None


def _cleaned(text: str) -> str:
    return head(text.replace("\0", "").replace("\r\n", "\n"), DRAFT_LIMIT)


def discard(user: User, conversation: Conversation) -> None:
    """Delete the user's draft, if there is one."""
    Draft.objects.filter(user=user, conversation=conversation).delete()


def discard_sent(user: User, conversation: Conversation, text: str) -> None:
    """Delete the user's draft if it is this text, which was sent long after it was written."""
    draft = Draft.objects.filter(user=user, conversation=conversation).first()
    if draft and draft.text.strip() == _cleaned(text).strip():
        Draft.objects.filter(pk=draft.pk, text=draft.text).delete()


def texts_of(user_ids: Collection[int], conversation_ids: Collection[int]) -> dict[tuple[int, int], str]:
    """Return the drafts of many users in these conversations, by user id and conversation id; one query."""
    rows = _texts.rows(users=list(user_ids), conversations=list(conversation_ids))
    return {(user_id, pk): text for user_id, pk, text in rows}


_texts = Prepared(
    lambda *, users, conversations: Draft.objects.filter(user__in=users, conversation__in=conversations).values_list(
        "user_id", "conversation_id", "text"
    )
)

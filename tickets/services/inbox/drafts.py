"""What an agent typed and did not send: kept on the server, per agent and conversation."""

from collections.abc import Collection

from django.contrib.auth.base_user import AbstractBaseUser

from tickets.models import Contact, Conversation, Draft

DRAFT_LIMIT = 20_000  # characters; more than any reply may have, so that nothing typed is lost to the limit of a reply


def read(user: AbstractBaseUser, conversation: Conversation) -> str:
    """The user's own draft, or an empty text."""
    text = Draft.objects.filter(user=user, conversation=conversation).values_list("text", flat=True).first()
    return text or ""


def save(user: AbstractBaseUser, conversation: Conversation, text: str) -> None:
    """Keep what was typed; only blanks removes the draft. Longer than DRAFT_LIMIT characters is cut.

    Nothing is kept for a person who was erased: a page that was open saves what it still has.
    """
    text = text.replace("\0", "").replace("\r\n", "\n")[:DRAFT_LIMIT]
    if text.strip() and not Contact.objects.filter(conversations=conversation, erased_at__isnull=False).exists():
        Draft.objects.update_or_create(user=user, conversation=conversation, defaults={"text": text})
    else:
        discard(user, conversation)


def discard(user: AbstractBaseUser, conversation: Conversation) -> None:
    Draft.objects.filter(user=user, conversation=conversation).delete()


def texts_of(user_ids: Collection[int], conversation_ids: Collection[int]) -> dict[tuple[int, int], str]:
    """The drafts of many users in these conversations by user id and conversation id; one query."""
    drafts = Draft.objects.filter(user__in=user_ids, conversation__in=conversation_ids)
    return {(user_id, pk): text for user_id, pk, text in drafts.values_list("user_id", "conversation_id", "text")}

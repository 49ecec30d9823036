"""Stickers that agents send: Facebook's thumbs up, and those that customers have sent lately."""

from dataclasses import dataclass

from channels_im.messenger.attachment_cards import THUMBS_UP
from desk.models import User
from desk.sentences import sentence
from tickets.models import Attachment
from tickets.rules import sent_as
from tickets.services.conversation import access
from tickets.services.outgoing.replies import SpecialPart, require

MAX_SHOWN = 24
# The newest attachments among which stickers are looked for: kinds have no index.
LOOKED_AT = 5000


@dataclass(frozen=True)
class SeenSticker:
    """A sticker that a customer has sent, with the picture that Desk stored."""

    sticker_id: str
    picture: Attachment


def seen(user: User) -> list[SeenSticker]:
    """Return the stickers lately sent in conversations that the user may see, newest first, each once."""
    newest = Attachment.objects.order_by("-pk").values_list("pk", flat=True).first() or 0
    pictures = Attachment.objects.filter(
        pk__gt=newest - LOOKED_AT,
        kind=Attachment.Kind.STICKER,
        state=Attachment.State.STORED,
        message__conversation__in=access.conversations_for(user),
        message__sent_as__isnull=False,
    )
    found: dict[str, SeenSticker] = {}
    for picture in pictures.select_related("message").order_by("-pk"):
        sticker_id = sent_as.sticker_in(picture.message.sent_as)
        if sticker_id and sticker_id not in THUMBS_UP:
            found.setdefault(sticker_id, SeenSticker(sticker_id, picture))
        if len(found) == MAX_SHOWN:
            break
    return list(found.values())


def part_of(user: User, sticker_id: str) -> SpecialPart:
    """Return the reply that is this sticker. Raises ReplyError for what is no id of a sticker."""
    require(sent_as.is_sticker_id(sticker_id), sentence("The id of a sticker has digits only."))
    form = sent_as.of_sticker(sticker_id)
    if sticker_id in THUMBS_UP:
        return SpecialPart(form, card=_card(sentence("👍 Thumbs up")))
    picture = next((one.picture for one in seen(user) if one.sticker_id == sticker_id), None)
    return SpecialPart(
        form,
        picture=picture,
        card=None if picture else _card(sentence("🙂 Sticker"), sentence("Number %(number)s", number=sticker_id)),
    )


def _card(title: str, text: str = "") -> dict[str, str | None]:
    return {"kind": "sticker", "title": title, "text": text, "url": None}

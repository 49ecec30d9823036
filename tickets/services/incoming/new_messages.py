"""What an event of a customer adds to the conversation."""

from channels_im.messenger import events
from channels_im.models import Channel
from channels_im.services.journal.store import IncomingEvent
from tickets.models import Message
from tickets.services.conversation.new_message import NewMessage
from tickets.services.incoming.cards_and_files import content_of, form_of

Direction, Kind, Source, State = Message.Direction, Message.Kind, Message.Source, Message.State


def of_event(incoming: IncomingEvent, channel: Channel) -> NewMessage:
    """Return what the event adds: a message, or an event shown between the messages, which has no text of its own.

    A tap on a button counts as a message; in standby it has no payload.
    """
    event = incoming.event
    card, attachments = content_of(event, channel)
    kind, source, mid, text, reply_to_mid = Kind.EVENT, Source.SYSTEM, event.key, "", ""
    if isinstance(event, events.MessageReceived | events.Postback):
        kind, source, mid = Kind.MESSAGE, Source.CUSTOMER, event.mid or event.key
        text = (event.title if isinstance(event, events.Postback) else event.text) or ""
        reply_to_mid = (event.reply_to_mid if isinstance(event, events.MessageReceived) else None) or ""
    return NewMessage(
        direction=Direction.IN,
        state=State.RECEIVED,
        kind=kind,
        source=source,
        mid=mid,
        text=text,
        reply_to_mid=reply_to_mid,
        sent_at=incoming.at,
        received_at=incoming.received_at,
        arrived_at=incoming.arrived_at if kind == Kind.MESSAGE else None,
        recovered_at=incoming.recovered_at,
        is_imported=incoming.is_imported,
        original_timestamp=incoming.original_timestamp,
        is_standby=event.standby,
        card=card,
        sent_as=form_of(event),
        attachments=tuple(attachments),
    )

"""Write and read the data of a running Desk. `RunningDesk.call` runs these functions with Desk's own database."""

from datetime import timedelta
from typing import Any

from django.contrib.auth import BACKEND_SESSION_KEY, HASH_SESSION_KEY, SESSION_KEY
from django.contrib.sessions.backends.db import SessionStore
from django.core.files.base import ContentFile
from django.db import transaction
from django.db.models import F, Min
from django.utils import timezone

from channels_im.messenger.template_texts import NewTemplate
from channels_im.models import Channel, MessageTemplate, WebhookDelivery
from channels_im.services.facebook import message_templates
from channels_im.services.go_live import policy
from desk.accounts import sessions
from desk.models import Agent, Department, User
from tests import factories as make
from tests.sandbox.process import BERG_BIKES
from tickets.models import (
    ApiToken,
    CannedReply,
    Contact,
    Conversation,
    CustomField,
    EventSubscription,
    EventType,
    Label,
    Macro,
    Message,
)
from tickets.rules import mentions as mention_rules
from tickets.services.conversation import contacts, mentions, messages
from tickets.services.inbox import (
    actions,
    canned_files,
    canned_replies,
    field_setup,
    field_values,
    indexing,
    labels,
    notes,
)
from tickets.services.privacy import erasure
from tickets.services.webhooks import api_tokens, subscriptions

FROM_CUSTOMER: dict[str, Any] = {"direction": "in", "source": "customer", "state": "received"}
FROM_PAGE_INBOX: dict[str, Any] = {"direction": "out", "source": "page_inbox", "state": "sent"}
FAILED: dict[str, Any] = {"direction": "out", "source": "agent", "state": "failed", "reason": "Facebook refused it."}


# --- People -----------------------------------------------------------------------------------------------------------
def make_agent(username: str, department: str, *, answers_demo_channel: bool = True) -> None:
    """Make an agent of a department who logs in with the demo's password."""
    channels = (demo_channel(),) if answers_demo_channel else ()
    make.make_agent(username, departments=(Department.objects.get(name=department),), channels=channels)


def make_macro(name: str, stored: list[dict[str, Any]]) -> None:
    """Make a shared macro with these actions."""
    Macro.objects.create(name=name, key=name.casefold(), actions=stored)


def api_token(username: str) -> str:
    """Make an API token of the user and return its key."""
    return make.make_token(User.objects.get(username=username))


def session(username: str) -> str:
    """Log a user in; return the key of the session."""
    user = User.objects.get(username=username)
    made = SessionStore()
    made.update(
        {
            SESSION_KEY: str(user.pk),
            HASH_SESSION_KEY: user.get_session_auth_hash(),
            BACKEND_SESSION_KEY: "django.contrib.auth.backends.ModelBackend",
        }
    )
    sessions.start(made)
    made.create()
    assert made.session_key is not None
    return made.session_key


def end_session(session_key: str) -> None:
    """Log out the browser with this session."""
    SessionStore(session_key).flush()


def new_agent_token() -> str:
    """Make an agent; return the key of an API token of theirs."""
    return make.make_token(make.make_agent())


# --- Channels ---------------------------------------------------------------------------------------------------------
def demo_channel() -> Channel:
    """Return the channel of the demo data."""
    return Channel.objects.get(page__page_id=BERG_BIKES, deleted_at=None)


def make_two_channels() -> None:
    """Make two channels (Pages page1 and page2), an agent of each (agent1 and agent2) and an administrator."""
    for number in (1, 2):
        channel = make.make_channel(make.make_page(f"page{number}"))
        make.make_agent(f"agent{number}", channels=(channel,))
    make.make_admin()


def make_template(name: str, body: str, *examples: str) -> None:
    """Create a message template of the demo's Page at the sandbox; its review has to follow."""
    admin = User.objects.get(username="admin")
    message_templates.create(admin, demo_channel().page, NewTemplate(name, "en_US", body, examples))


def is_approved(name: str) -> bool:
    """Read the demo's templates from the sandbox; return whether this one is approved."""
    page = demo_channel().page
    message_templates.refresh(page)
    return MessageTemplate.objects.filter(page=page, name=name, state="approved").exists()


def show_typing_and_seen(shown: bool) -> None:
    """Set whether the demo's channel shows customers that the Page is typing and has seen their messages."""
    Channel.objects.filter(page__page_id=BERG_BIKES).update(shows_typing=shown, shows_seen=shown)


def make_channel(name: str, agent: str) -> int:
    """Make a channel that the sandbox does not have, associate it with an agent and return its id."""
    channel = make.make_channel(name=name)
    member = Agent.objects.get(user__username=agent)
    member.departments.add(channel.department)
    member.channels.add(channel)
    return channel.pk


def delete_channel(pk: int) -> None:
    """Mark a channel as deleted, without an event to open pages."""
    Channel.objects.filter(pk=pk).update(is_active=False, deleted_at=timezone.now())


def furnish_setup(conversation: int) -> dict[str, int]:
    """Make an API token, a webhook and a canned reply; return their ids, and those of what the pages of Setup show."""
    admin, alice = User.objects.get(username="admin"), User.objects.get(username="alice")
    api_tokens.create(admin, alice, name="Shop")
    subscription = subscriptions.create(
        admin,
        name="Shop",
        url="https://shop.example.com/events/",
        events=[EventType.MESSAGE_CREATED, EventType.TICKET_CLOSED],
    )
    channel = demo_channel()
    files, _refusals = canned_files.upload(admin, [ContentFile(b"%PDF-1.4\n%%EOF\n", name="prices.pdf")])
    values = {"shortcut": "prices", "title": "Prices", "text": "Hello {{first_name}}"}
    changes = canned_files.Changes([file.pk for file in files])
    shared = canned_replies.save(admin, None, values, files=changes)
    return {
        "canned": shared.pk,
        "subscription": subscription.pk,
        "channel": channel.pk,
        "department": channel.department_id,
        "other_department": Department.objects.get(name="Sales").pk,
        "agent": alice.agent.pk,
        "user": admin.pk,
        "other_user": alice.pk,
        "contact": Conversation.objects.get(pk=conversation).contact_id,
        "delivery": WebhookDelivery.objects.latest("pk").pk,
    }


def unfurnish_setup(made: dict[str, int]) -> None:
    """Delete what `furnish_setup` made, so that no later event is sent to it."""
    CannedReply.objects.filter(pk=made["canned"]).delete()
    EventSubscription.objects.filter(pk=made["subscription"]).delete()
    ApiToken.objects.filter(user__username="alice").delete()


def publish_privacy_policy() -> None:
    """Publish a privacy policy with the text to begin with."""
    text = policy.BEGINNING.replace(policy.COMPANY_GAP, "Berg Bikes, Kiel,")
    policy.save(User.objects.get(username="admin"), contact="privacy@example.com", text=text)


def subscribe(url: str) -> int:
    """Make a webhook for an event that none of these tests causes, and queue a test event for it; return its id."""
    admin = User.objects.get(username="admin")
    subscription = subscriptions.create(admin, name="CRM", url=url, events=[EventType.CONTACT_BLOCKED])
    subscriptions.send_test(admin, subscription)
    return subscription.pk


def unsubscribe(pk: int) -> None:
    """Delete a webhook."""
    EventSubscription.objects.filter(pk=pk).delete()


def fill_journal(deliveries: list[dict[str, Any]]) -> None:
    """Put deliveries into the journal, without a request for each."""
    WebhookDelivery.objects.bulk_create(WebhookDelivery(body=make.body_of(each)) for each in deliveries)


# --- Conversations ----------------------------------------------------------------------------------------------------
def make_conversation(psid: str, name: str, channel_id: int | None = None) -> int:
    """Make an empty conversation with a contact whose profile is fetched; return its id."""
    channel = Channel.objects.get(pk=channel_id) if channel_id else demo_channel()
    with transaction.atomic():  # so that the worker does not fetch the profile
        conversation = contacts.conversation_for(channel.page, channel, psid)
        Contact.objects.filter(pk=conversation.contact_id).update(name=name, profile_state=Contact.ProfileState.FETCHED)
    return conversation.pk


def make_twin(conversation: int) -> dict[str, int]:
    """Make the same person on another Page; return the ids of both contacts and of the conversation's ticket."""
    found = Conversation.objects.get(pk=conversation)
    channel = make.make_channel(name="Outlet", is_active=False, deleted_at=timezone.now())
    twin = make_conversation(f"7{found.contact.psid}", found.contact.name, channel.pk)
    add_message(twin, "It is me again", FROM_CUSTOMER)
    ticket, other = found.current_ticket_id, Conversation.objects.get(pk=twin).contact_id
    assert ticket
    return {"ticket": ticket, "contact": found.contact_id, "twin": other}


def current_ticket(conversation: int) -> int:
    """Return the number of a conversation's current ticket."""
    ticket = Conversation.objects.get(pk=conversation).current_ticket_id
    assert ticket
    return ticket


def erase(conversation: int) -> None:
    """Erase the customer of a conversation."""
    contact = Conversation.objects.get(pk=conversation).contact
    erasure.erase(User.objects.get(username="admin"), contact)


def let_read(conversation: int, username: str) -> None:
    """Let a user read a conversation by mentioning them in a note."""
    author, reader = User.objects.get(username="alice"), User.objects.get(username=username)
    target = mention_rules.Target(mention_rules.AGENT, reader.pk)
    wanted = mentions.Wanted(targets=(target,), access=frozenset([reader.pk]))
    notes.add_note(author, Conversation.objects.get(pk=conversation), f"@{reader} please look", wanted=wanted)


def count_contacts() -> int:
    """Return how many contacts there are."""
    return Contact.objects.count()


def has_message(mid: str) -> bool:
    """Return whether a message with this id of Meta is stored."""
    return Message.objects.filter(mid=mid).exists()


def add_message(conversation: int, text: str, fields: dict[str, Any], author: str = "", hours_ago: float = 0) -> int:
    """Add a message to a conversation; return its id."""
    at = timezone.now() - timedelta(hours=hours_ago)
    if "mid" not in fields and fields["state"] != "failed":
        fields = fields | {"mid": f"m_{conversation}_{at.timestamp()}"}
    message, _created = messages.add_message(
        Conversation.objects.get(pk=conversation),
        text=text,
        sent_at=at,
        author=User.objects.get(username=author) if author else None,
        **fields,
    )
    return message.pk


def add_earlier_lines(conversation: int, lines: list[str], minutes_between: float, days_before: float = 0) -> None:
    """Add messages of the customer older than all others, the newest of them `days_before` the others."""
    found = Conversation.objects.get(pk=conversation)
    first = found.messages.aggregate(at=Min("sent_at"))["at"] - timedelta(days=days_before)
    with transaction.atomic():
        for number, text in enumerate(lines):
            at = first - timedelta(minutes=minutes_between * (len(lines) - number))
            messages.add_message(found, text=text, mid=f"m_{conversation}_{number}", sent_at=at, **FROM_CUSTOMER)


def add_long_history(conversation: int, lines: list[str], minutes_between: float) -> None:
    """Add messages of the customer older than all others to the current ticket, and index them for search.

    A search itself indexes only the newest texts; the others wait for the worker.
    """
    found = Conversation.objects.get(pk=conversation)
    first = found.messages.aggregate(at=Min("sent_at"))["at"]
    Message.objects.bulk_create(
        Message(
            conversation=found,
            ticket=found.current_ticket,
            page=found.channel.page,
            mid=f"m_{conversation}_{number}",
            text=text,
            sent_at=first - timedelta(minutes=minutes_between * (len(lines) - number)),
            **FROM_CUSTOMER,
        )
        for number, text in enumerate(lines)
    )
    Conversation.objects.filter(pk=conversation).update(message_count=F("message_count") + len(lines))
    while indexing.is_due():  # another process may be at it
        indexing.index_all()


def assign(conversation: int, username: str) -> None:
    """Assign a conversation, without an event to open pages."""
    Conversation.objects.filter(pk=conversation).update(assignee=User.objects.get(username=username))


def take(conversation: int, username: str) -> None:
    """Let an agent assign a conversation to themselves, as with the button."""
    user = User.objects.get(username=username)
    actions.assign(user, Conversation.objects.get(pk=conversation), user)


def set_blocked(conversation: int, blocked: bool) -> None:
    """Block or unblock the contact of a conversation, without an event to open pages."""
    Contact.objects.filter(conversations=conversation).update(blocked_at=timezone.now() if blocked else None)


def add_field(key: str, name: str, of: str = "ticket") -> None:
    """Add a custom field of tickets or contacts, a text."""
    by = User.objects.get(username="admin")
    field_setup.save(by, None, {"of": of, "kind": "text", "key": key, "name": name})


def delete_field(key: str) -> None:
    """Delete a custom field with its values."""
    field_setup.delete(User.objects.get(username="admin"), CustomField.objects.get(key=key))


def fill_field(conversation: int, key: str, value: str) -> None:
    """Write into a custom field of the current ticket."""
    field_values.change_ticket(
        User.objects.get(username="admin"), Conversation.objects.get(pk=conversation), {key: value}
    )


def delete_department(name: str) -> None:
    """Delete a department that a test added in Setup."""
    Department.objects.filter(name=name).delete()


def delete_canned_reply(shortcut: str) -> None:
    """Delete a canned reply that a test added."""
    CannedReply.objects.filter(shortcut=shortcut).delete()


def add_label(name: str) -> None:
    """Add a label for every department."""
    labels.save(User.objects.get(username="admin"), None, {"name": name, "color": "teal"})


def delete_label(name: str) -> None:
    """Delete a label that a test added."""
    Label.objects.filter(name=name).delete()

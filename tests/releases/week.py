"""A week of data for the database of a release: rows of every table, in the states in which tables are found.

`RunningDesk.call` runs the functions with Desk's own database. They are needed only when a release is made.
"""

from datetime import timedelta
from typing import Any

from django.apps import apps
from django.contrib.auth.models import Group, Permission
from django.core.files.base import ContentFile
from django.utils import timezone

from channels_im.models import (
    ChannelDraft,
    DataRequest,
    GoLive,
    GoLiveStep,
    HistoryImport,
    MessageTemplate,
    Page,
    PageOutage,
    PageRecovery,
    ParkedDelivery,
    PendingLink,
    PrivacyPolicy,
    RecoveryRun,
)
from desk.models import Agent, CacheRow, LiveEvent, RetentionRule, RetentionRun, TimingCount, User
from tests import factories as make
from tests.e2e import data, sample_messages
from tickets.models import (
    AssignmentSettings,
    Availability,
    CannedReply,
    CannedReplyFile,
    Contact,
    ContactNote,
    Conversation,
    CustomField,
    EventDelivery,
    FieldValue,
    Label,
    Macro,
    MacroRun,
    MailReminder,
    Message,
    MessageChange,
    Moderation,
    Notice,
    NotificationChoice,
    NotificationSettings,
    PageReaction,
    Person,
    PushDelivery,
    PushKey,
    PushSubscription,
    SavedView,
    ScheduledReply,
    ScheduledReplyFile,
    SenderAction,
    ThreadControlRequest,
    Ticket,
    TicketChange,
    TicketLink,
    Viewer,
)
from tickets.rules.mentions import AGENT, Target
from tickets.services.conversation.mentions import Wanted
from tickets.services.inbox import actions, drafts, notes
from tickets.services.privacy import erasure
from tickets.services.webhooks import subscriptions

OURS = ("desk", "channels_im", "tickets")


def fill() -> str:
    """Add to the demo's data what a week brings; return an API token of the administrator."""
    admin, alice = User.objects.get(username="admin"), User.objects.get(username="alice")
    _people(alice)
    _pages(admin)
    conversation = _conversations(admin, alice)
    _journal(conversation)
    _page_actions(alice, conversation)
    _webhooks(admin)
    _notifications(alice, conversation)
    _operation()
    empty = [model._meta.label for app in OURS for model in apps.get_app_config(app).get_models() if not _rows(model)]
    if empty:
        raise AssertionError(f"no rows: {empty}")
    return data.api_token("admin")


def _operation() -> None:
    now = timezone.now()
    LiveEvent.objects.create(payload={"kind": "sync"})
    CacheRow.objects.create(cache_key=":1:week", value="gAR9lC4=", expires=now + timedelta(days=3650))
    TimingCount.objects.create(kind="stored", slot=now - timedelta(hours=1), bound_ms=200, count=12)
    RetentionRule.objects.create(kind="history", days=400)
    RetentionRun.objects.create(kind="history", started_at=now - timedelta(days=1), finished_at=now, deleted=12)


def _rows(model: Any) -> int:
    return model.objects.count()


def _people(alice: User) -> None:
    leads = Group.objects.create(name="Leads")
    leads.permissions.set(Permission.objects.filter(codename__in=["view_contact", "erase_contact", "view_user"]))
    lead = make.make_user("lena", first_name="Léna", last_name="Øre 林", email="lena@example.com", is_staff=True)
    lead.groups.add(leads)
    lead.user_permissions.set(Permission.objects.filter(codename="view_conversation"))
    Agent.objects.create(user=lead, presence=Agent.Presence.AWAY, sends_with_enter=False)
    make.make_user("gone", is_active=False)
    make.make_department("Two hours", intermission=120)
    canned = CannedReply.objects.create(
        shortcut="opening-week", title="Hours", text="Hello {{name}}, Mon–Fri 9–17", created_by=alice
    )
    picture = make.png()
    CannedReplyFile.objects.create(
        reply=canned,
        kind="image",
        name="hours.png",
        file=ContentFile(picture, name="hours.png"),
        content_type="image/png",
        size=len(picture),
        added_by=alice,
    )
    late = Label.objects.create(name="Verspätet", key="verspätet", color="orange", description="The parcel is late")
    for ticket in Ticket.objects.order_by("pk")[:2]:
        ticket.labels.add(late)
    macro = Macro.objects.create(name="Sorry", key="sorry", actions=[{"do": "add_labels", "labels": [late.pk]}])
    MacroRun.objects.create(macro=macro, name="Sorry", conversation=Conversation.objects.earliest("pk"), user=alice)
    AssignmentSettings.objects.create(department=make.make_department("Overflow"), on_reply="always", capacity=4)
    Availability.objects.create(agent=lead.agent, capacity=2, turn=3, away_since=timezone.now())
    first, second = Ticket.objects.order_by("pk")[:2]
    TicketLink.objects.create(first=first, second=second, by=alice)
    TicketChange.objects.create(
        conversation=first.conversation, kind="merge", earlier=first.pk, later=9999, before={"stays": []}, by=alice
    )
    SavedView.objects.create(name="Spät", owner=alice, base="open", filter={"label": [str(late.pk)]}, order="waiting")
    field = CustomField.objects.create(of="ticket", kind="number", name="Gewicht", key="weight")
    for ticket in (first, second):
        FieldValue.objects.create(field=field, ticket=ticket, text="12.5", lookup="12.5")
    person = Person.objects.create(created_by=alice)
    for contact in Contact.objects.order_by("pk")[:2]:
        Contact.objects.filter(pk=contact.pk).update(person=person, external_id=f"crm-{contact.pk}")
        ContactNote.objects.create(contact=contact, author=alice, text="Prefers mornings")


def _pages(admin: User) -> None:
    now = timezone.now()
    lost = make.make_page(
        "202000000000001",
        name="Lost Page",
        connection=Page.Connection.REAUTH_REQUIRED,
        reauth_reason=Page.Reason.PASSWORD_CHANGED,
        reauth_since=now - timedelta(days=2),
        reauth_detected_by=Page.DetectedBy.SEND,
    )
    make.make_channel(lost, name="Lost")
    MessageTemplate.objects.create(
        page=lost, template_id="77", name="order_shipped", language="en_US", body="Hi {{1}}", state="approved"
    )
    PageOutage.objects.create(page=lost, reason=lost.reauth_reason, began_at=now - timedelta(days=2))
    deleted = make.make_channel(
        make.make_page("202000000000002", name="Old Page", trouble={"app": "In development mode."}),
        name="Deleted",
        is_active=False,
        deleted_at=now - timedelta(days=3),
    )
    make.receive(make.make_conversation(deleted), "To a channel that was deleted", at=now - timedelta(days=5))
    off = make.make_channel(name="Off", is_active=False, deactivated_at=now - timedelta(days=1))
    delivery = make.journal(make.delivery(off.page, make.text_item(off.page, "7777", "To a channel that is off")))
    ParkedDelivery.objects.create(delivery=delivery, page=off.page)
    PageRecovery.objects.create(page=lost, complete_until=now - timedelta(days=2))
    RecoveryRun.objects.create(page=lost, reason="nightly", state="done", since=now - timedelta(days=3), until=now)
    HistoryImport.objects.create(channel=off, page=off.page, days=30, since=now - timedelta(days=30), until=now)
    GoLive.objects.create(pk=1, checked_at=now, is_hidden=True)
    GoLiveStep.objects.create(key="business", ticked_at=now, ticked_by=admin, ticked_by_name="admin")
    PrivacyPolicy.objects.create(pk=1, contact="privacy@example.com", text="We keep it.", changed_at=now)
    PendingLink.objects.create(user=admin, facebook_user_id="9", name="Mara", user_token="user-token-undecided")
    icon = ContentFile(make.png(), name="icon.png")
    ChannelDraft.objects.create(user=admin, fields={"name": "Half a channel"}, icon=icon, icon_name="my icon.png")
    DataRequest.objects.create(kind="deauthorize", confirmation_code="abc123", facebook_user_id="901", issued_at=now)


def _conversations(admin: User, alice: User) -> Conversation:
    """Add a long conversation with a message of each kind and several tickets, and an erased person."""
    conversation = Conversation.objects.get(pk=data.make_conversation("7000000001", "Week-long Customer"))
    now = timezone.now()
    for day in range(7, 0, -1):
        make.receive(conversation, f"Day {day}", at=now - timedelta(days=day), mid=f"m_week_{day}")
        make.answer(conversation, "Answer", at=now - timedelta(days=day, hours=-1), author=alice, mid=f"m_answer_{day}")
        if day % 2:
            actions.close(alice, conversation)
    actions.reopen(alice, conversation)
    sample_messages.make(conversation.pk)
    actions.add_note(alice, conversation, "A note with “quotes” and 👩‍👩‍👧")
    bob = User.objects.get(username="bob")
    wanted = Wanted((Target(AGENT, bob.pk),), frozenset([bob.pk]))
    notes.add_note(alice, conversation, f"@{bob} please look", wanted=wanted)
    actions.assign(admin, conversation, alice)
    drafts.save(alice, conversation, "half a sentence")
    later = ScheduledReply.objects.create(
        conversation=conversation, author=alice, text="Good morning", send_at=now, client_key="later", state="not_sent"
    )
    content = ContentFile(make.png(), name="offer.png")
    ScheduledReplyFile.objects.create(reply=later, kind="image", name="offer.png", file=content, size=content.size)
    Conversation.objects.filter(pk=conversation.pk).update(has_scheduled=True)
    Contact.objects.filter(pk=conversation.contact_id).update(email="week@example.com", phone="+49 1", about="VIP")
    person = Conversation.objects.get(pk=data.make_conversation("7000000002", "Erased Customer"))
    make.receive(person, "Forget me", mid="m_forget", at=now - timedelta(days=1))
    erasure.erase(admin, person.contact)
    blocked = Conversation.objects.get(pk=data.make_conversation("7000000003", "Blocked Customer"))
    make.receive(blocked, "Buy followers", at=now - timedelta(hours=3))
    actions.block(alice, blocked)
    Moderation.objects.filter(contact=blocked.contact).update(state="refused", reason="Facebook refused it.")
    return conversation


def _journal(conversation: Conversation) -> None:
    page, psid = conversation.channel.page, conversation.contact.psid
    failed: dict[str, Any] = {"state": "failed", "error": "An event failed.", "attempts": 5}
    make.journal(make.delivery(page, make.item(page, psid, message={"mid": "m_x"})), **failed)
    make.journal(b"{not json", **failed)
    MessageChange.objects.create(
        page=page,
        mid="m_later",
        key="edit m_later 1",
        kind="edit",
        at=timezone.now(),
        content={"text": "x", "number": 1},
    )


def _page_actions(alice: User, conversation: Conversation) -> None:
    newest = conversation.messages.filter(direction="in", mid__isnull=False).latest("sent_at")
    PageReaction.objects.create(message=newest, author=alice, emoji="❤", state="told")
    SenderAction.objects.create(conversation=conversation, kind=SenderAction.Kind.SEEN, is_waiting=False)
    ThreadControlRequest.objects.create(
        conversation=conversation, author=alice, action="take", state="refused", reason="Facebook refused it."
    )
    Viewer.objects.create(page_key="k" * 32, user=alice, conversation=conversation, seen_at=timezone.now())


def _notifications(alice: User, conversation: Conversation) -> None:
    later = timezone.now() + timedelta(days=3650)
    NotificationSettings.objects.create(user=alice, has_quiet_hours=True, quiet_days="56", time_zone="Europe/Berlin")
    for kind, by in (("mine", "push"), ("mine", "mail"), ("failed", "push")):
        NotificationChoice.objects.create(user=alice, kind=kind, by=by)
    PushKey.objects.create(pk=1, private_key="a-private-key", public_key="a-public-key")
    browser = PushSubscription.objects.create(
        user=alice,
        session_key="a-session",
        endpoint="https://push.example.com/a",
        endpoint_digest="a" * 64,
        p256dh="a-key",
        auth="a-secret",
        public_key="a-public-key",
    )
    PushDelivery.objects.create(
        subscription=browser, kind="mine", conversation_id=conversation.pk, retry_after=later, attempts=1
    )
    MailReminder.objects.create(
        user=alice, kind="mine", conversation_id=conversation.pk, since=timezone.now(), due_at=later
    )
    Notice.objects.create(kind="of a later version", conversation_id=conversation.pk)


def _webhooks(admin: User) -> None:
    shop = subscriptions.create(
        admin, name="Shop", url="https://shop.example.com/events/", events=["message.created", "ticket.closed"]
    )
    subscriptions.rotate(admin, shop)
    message = Message.objects.filter(direction="in").latest("pk")
    for state in EventDelivery.State.values:
        EventDelivery.objects.create(
            subscription=shop,
            type="message.created",
            conversation_id=message.conversation_id,
            message_id=message.pk,
            state=state,
            retry_after=timezone.now() + timedelta(days=3650),
        )

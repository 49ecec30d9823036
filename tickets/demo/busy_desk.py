"""The desk of the busy demo: twelve agents with their roles, nine departments and channels, labels, fields, views."""

from dataclasses import dataclass, field

from django.contrib.auth.hashers import make_password
from django.core.files.base import ContentFile
from django.utils import timezone

from channels_im.models import Channel, ChannelAgent, Page
from channels_im.services.channels import ChannelError, create_channel, limit_reached
from desk.demo_guard import DOMAIN, PASSWORD
from desk.models import Agent, Department, User
from tickets.demo.channel import draw_icon
from tickets.models import Availability, CannedReply, CustomField, Label, Macro, SavedView
from tickets.rules import filters
from tickets.services.inbox import labels as label_service
from tickets.services.people import roles

ONLINE, AWAY, OFF = Agent.Presence.ONLINE, Agent.Presence.AWAY, Agent.Presence.OFFLINE
#: The departments, and the Page of the sandbox whose channel each has.
DEPARTMENTS = (
    ("Customer Care", "101000000000001", "#0f766e"),
    ("Sales", "101000000000002", "#b45309"),
    ("Workshop", "102000000000001", "#be123c"),
    ("Travel", "101000000000003", "#1d4ed8"),
    ("Optics", "101000000000004", "#7c3aed"),
    ("Deliveries", "102000000000002", "#15803d"),
    ("Invoices", "102000000000003", "#a21caf"),
    ("Events", "102000000000004", "#0369a1"),
    ("Catering", "102000000000005", "#c2410c"),
)
#: User name, first and last name, role, presence, places of their departments.
PEOPLE = (
    ("alice", "Alice", "Moreau", roles.AGENT, ONLINE, (0, 1)),
    ("bob", "Bob", "Lindgren", roles.AGENT, ONLINE, (0, 2)),
    ("clara", "Clara", "Weiss", roles.LEAD, ONLINE, (0, 1, 2)),
    ("dmitri", "Dmitri", "Volkov", roles.AGENT, AWAY, (3, 4)),
    ("elena", "Elena", "Ruiz Castellanos", roles.LEAD, ONLINE, (3, 4, 5)),
    ("farid", "Farid", "Haddad", roles.ADMINISTRATOR, ONLINE, (3, 8)),
    ("grace", "Grace", "Okonkwo", roles.AGENT, ONLINE, (5, 6)),
    ("henrik", "Henrik", "Sørensen", roles.AGENT, OFF, (6, 7)),
    ("ines", "Inês", "Carvalho", roles.AGENT, ONLINE, (7, 8)),
    ("jun", "Jun", "Takahashi", roles.AGENT, AWAY, (1, 5)),
    ("karin", "Karin", "Øverland-Brattbakken", roles.LEAD, OFF, (6, 7, 8)),
    ("leila", "Leila", "Nasser", roles.AGENT, ONLINE, (2, 4)),
)
LABELS = (
    ("Delivery", "blue"), ("Refund", "orange"), ("Appointment", "green"), ("Question", "sky"), ("Complaint", "pink"),
    ("Warranty", "purple"), ("VIP", "yellow"), ("Waiting for supplier", "teal"),
)  # fmt: skip
#: Key, name, of what, kind, names of the choices.
FIELDS = (
    ("customer_number", "Customer number", CustomField.Of.CONTACT, CustomField.Kind.TEXT, ()),
    ("order_number", "Order number", CustomField.Of.TICKET, CustomField.Kind.NUMBER, ()),
    (
        "reason",
        "Reason",
        CustomField.Of.TICKET,
        CustomField.Kind.CHOICE,
        ("Damaged", "Late", "Wrong item", "Change of mind"),
    ),
    ("call_back_on", "Call back on", CustomField.Of.TICKET, CustomField.Kind.DATE, ()),
)
CANNED_REPLIES = (
    ("thanks", "Thanks", "Thank you for your message, {{first_name}}! Is there anything else?", "Everyday"),
    (
        "delay",
        "Delay",
        "I am sorry for the delay, {{first_name}}. I am looking into it and will write today.",
        "Everyday",
    ),
    (
        "return",
        "How to return",
        "Put the item into its box, stick the label on it and bring it to any post office.",
        "Returns",
    ),
    (
        "refund-time",
        "How long refunds take",
        "The refund is on its way. Banks can need up to five working days.",
        "Returns",
    ),
    ("photo", "Ask for a photo", "Could you send us a photo, please? Then we see at once what we can do.", "Workshop"),
    (
        "address",
        "Address",
        "You find us at Marktstraße 12, five minutes from the station. We are open from 10 to 7.",
        "Everyday",
    ),
    (
        "warte",
        "Bitte um Geduld",
        "Danke für Ihre Nachricht! Ich kümmere mich darum und melde mich heute noch.",
        "Deutsch",
    ),
    ("merci", "Remerciement", "Merci pour votre message, {{first_name}} ! Je m’en occupe tout de suite.", "Français"),
)


@dataclass
class Desk:
    """What conversations are made of. `agents`: the users who answer each channel, by the channel's id."""

    channels: list[Channel] = field(default_factory=list)
    agents: dict[int, list[User]] = field(default_factory=dict)
    labels: dict[str, Label] = field(default_factory=dict)
    fields: dict[str, CustomField] = field(default_factory=dict)


def create(admin: User) -> Desk:
    """Create the desk, or what of it is missing. Pages that are linked get channels, as far as the rule allows."""
    departments = [Department.objects.get_or_create(name=name)[0] for name, _page, _color in DEPARTMENTS]
    password = make_password(PASSWORD)  # one for all: each takes half a second
    agents = [_create_agent(row, departments, password) for row in PEOPLE]
    desk = Desk()
    for department, (_name, page_id, color) in zip(departments, DEPARTMENTS, strict=True):
        if channel := _channel(admin, department, page_id, color):
            desk.channels.append(channel)
            team = [agent for agent in agents if agent.departments.filter(pk=channel.department_id).exists()]
            for agent in team:
                ChannelAgent.objects.get_or_create(channel=channel, agent=agent)
            desk.agents[channel.pk] = [agent.user for agent in team]
    for name, hue in LABELS:
        defaults = {"name": name, "color": hue}
        key = label_service.key_of(name)
        desk.labels[name] = Label.objects.get_or_create(key=key, department=None, defaults=defaults)[0]
    for place, (key, name, of, kind, choices) in enumerate(FIELDS, 1):
        known = [{"id": choice.casefold().replace(" ", "-"), "name": choice} for choice in choices]
        facts = {"name": name, "of": of, "kind": kind, "choices": known, "position": place}
        desk.fields[key] = CustomField.objects.get_or_create(key=key, defaults=facts)[0]
    for shortcut, title, text, folder in CANNED_REPLIES:
        values = {"title": title, "text": text, "folder": folder, "created_by": admin}
        CannedReply.objects.get_or_create(shortcut=shortcut, owner=None, defaults=values)
    _create_macros(admin, desk, departments)
    _create_views(desk, departments)
    return desk


def _create_agent(
    row: tuple[str, str, str, str, str, tuple[int, ...]], departments: list[Department], password: str
) -> Agent:
    username, first, last, role, presence, places = row
    user, is_new = User.objects.get_or_create(
        username=username, defaults={"first_name": first, "last_name": last, "email": f"{username}@{DOMAIN}"}
    )
    if is_new:
        user.password = password
        user.save(update_fields=["password"])
        roles.give(user, roles.BUILT_IN[role])
    agent, _is_new = Agent.objects.get_or_create(user=user)
    agent.departments.add(*(departments[place] for place in places))
    if is_new and presence != ONLINE:
        Agent.objects.filter(pk=agent.pk).update(presence=presence)
        Availability.objects.update_or_create(agent=agent, defaults={"away_since": timezone.now()})
    return agent


def _channel(admin: User, department: Department, page_id: str, color: str) -> Channel | None:
    page = Page.objects.filter(page_id=page_id).first()
    if page is None:
        return None
    existing = Channel.objects.existing().filter(page=page).first()
    if existing or limit_reached():
        return existing
    icon = ContentFile(draw_icon(color), name="icon.png")
    try:
        return create_channel(admin, name=page.name, icon=icon, page=page, department=department)
    except ChannelError:
        return None  # the Page lost its connection in the sandbox


def _create_macros(admin: User, desk: Desk, departments: list[Department]) -> None:
    labels = {name: label.pk for name, label in desk.labels.items()}
    macros = {
        "Complaint: take over": [
            {"do": "assign", "to": "me"},
            {"do": "priority", "value": "urgent"},
            {"do": "add_labels", "labels": [labels["Complaint"]]},
        ],
        "Wait for the supplier": [
            {"do": "add_labels", "labels": [labels["Waiting for supplier"]]},
            {"do": "note", "text": "Waiting for the supplier."},
            {"do": "snooze", "value": "tomorrow"},
        ],
        "To the workshop": [{"do": "assign", "to": "department", "id": departments[2].pk}],
    }
    names = {f"label-{pk}": name for name, pk in labels.items()}
    names |= {f"department-{department.pk}": department.name for department in departments}
    for name, actions in macros.items():
        defaults = {"name": name, "actions": actions, "names": names, "created_by": admin}
        Macro.objects.get_or_create(key=name.casefold(), owner=None, defaults=defaults)


def _create_views(desk: Desk, departments: list[Department]) -> None:
    rows: tuple[tuple[str, Department | None, dict[str, str]], ...] = (
        ("Urgent and waiting", None, {"priority": "urgent,high", "waiting": "yes"}),
        ("Waiting over an hour", None, {"waiting": "1h"}),
        ("Complaints", None, {"label": str(desk.labels["Complaint"].pk)}),
        ("Refunds without owner", departments[1], {"label": str(desk.labels["Refund"].pk), "assignee": "nobody"}),
    )
    for position, (name, department, raw) in enumerate(rows, 1):
        SavedView.objects.get_or_create(
            name=name,
            owner=None,
            department=department,
            defaults={
                "base": "open",
                "filter": filters.parse(raw).to_json(),
                "order": "newest",
                "position": position,
            },
        )

"""The newer lists that `bench.reads` measures, each for three people, and the jobs of the worker that look for rows."""

from collections.abc import Callable
from itertools import islice
from typing import Any

from bench.reads_rows import LONG

#: Who: a user that sees all, one of half the channels, one of a channel with a hundredth of the conversations, and one
#: of a channel with a hundred of them, however many there are.
PEOPLE = {"sees all": "bench-admin", "agent": "bench-agent", "few": "bench-few", "small": "bench-small"}

INBOX = (
    *("view=all&status=closed", "view=all&status=open", "status=closed&sort=oldest"),
    *("label=OFTEN", "view=all&label=OFTEN", "view=all&label=SELDOM", "view=all&label=NEVER"),
    *("view=all&priority=high", "view=all&priority=urgent", "assignee=me", "view=all&assignee=me"),
    *("view=all&assignee=nobody", "view=all&assignee=ME,nobody", "view=all&department=OWN", "view=all&department=ALL"),
    *("view=all&channel=OWN", "view=all&channel=ALL", "view=waiting&waiting=4h", "view=all&waiting=no"),
    *("view=snoozed", "view=all&snoozed=yes", "view=mentions", "view=blocked", "view=closing"),
    *("view=all&window=open", "view=all&window=soon", "view=all&window=closed", "view=all&unread=yes", "view=ended"),
    *("view=all&since=30d", "view=all&until=200d", "view=all&opened_since=2d", "view=all&opened_until=300d"),
    *("view=all&sort=oldest", "view=all&sort=waiting", "view=all&sort=closing"),
)
TICKETS = (
    *("", "sort=newest", "sort=oldest", "sort=closed", "status=open", "status=closed&sort=closed", "assignee=me"),
    *("assignee=none", "assignee=me&status=open", "priority=high", "priority=urgent", "label=OFTEN", "label=SELDOM"),
    *("label=NEVER", "channel=OWN", "department=OWN", "status=open&sort=oldest", "q=krause+17", "q=helmet", "q=anna"),
)
CONTACTS = ("", "sort=name", "q=krause+17", "q=anna", "q=anna&sort=name", "q=nobody+here", "q=example")
API = (
    *(
        "contacts/?ordering=-id",
        "contacts/?field_plan=gold",
        "contacts/?field_code=seldom",
        "contacts/?field_plan=none",
    ),
    *("contacts/?name=krause+17", "contacts/?name=anna", "contacts/?blocked=true", "contacts/?page_id=PAGE"),
    *("tickets/?field_order=order+3", "tickets/?field_kind=question", "tickets/?field_plan=gold"),
    *("tickets/?label=SELDOM", "tickets/?label=OFTEN", "tickets/?priority=urgent", "tickets/?search=helmet"),
    *("tickets/?ordering=-last_message_at", "tickets/?status=closed", "tickets/?assignee=USER", "tickets/?channel=OWN"),
    *("tickets/?department=Bench+few", "tickets/?closed_since=2001-01-01T00:00:00Z", "tickets/?unassigned=true"),
    *("conversations/?field_plan=gold", "conversations/?field_code=seldom", "conversations/?label=SELDOM"),
    *("conversations/?view=mine", "conversations/?view=closing", "conversations/?view=mentions"),
    *("conversations/?view=open", "conversations/?snoozed=true", "conversations/?window=soon"),
    *("conversations/?search=helmet", "conversations/?assignee=USER", "conversations/?channel=OWN"),
    *("conversations/?blocked=true", "conversations/?page_id=PAGE", "conversations/?unassigned=true"),
    *("messages/?kind=note", "messages/?kind=note&ordering=-id", "messages/?author=USER", "messages/?direction=out"),
    *("messages/?channel=OWN", "messages/?page_id=PAGE", "messages/?state=failed"),
    *(
        "contact-notes/",
        "contact-notes/?ordering=id",
        "contact-notes/?author=USER",
        "mentions/",
        "mentions/?seen=false",
    ),
    *(
        "scheduled-replies/",
        "scheduled-replies/?state=not_sent",
        "macros/",
        "labels/",
        "views/",
        "fields/",
        "erasures/",
    ),
    *("agents/", "departments/", "channels/"),
)
SETUP = (
    *("/admin/desk/auditentry/", "/admin/desk/auditentry/?action=contact", "/admin/desk/auditentry/?q=nothing"),
    *("/admin/labels/", "/admin/fields/", "/admin/macros/", "/admin/tickets/erasure/"),
    *("/admin/instant-messaging/preferences/assignment/", "/admin/canned-replies/"),
)


def addresses() -> dict[str, tuple[str, str]]:
    """Return what is measured: by name, the user and the address."""
    return {
        f"{name}, {who}": (user, address) for who, user in PEOPLE.items() for name, address in _of(user).items()
    } | {path: (PEOPLE["sees all"], path) for path in SETUP}


def _of(username: str) -> dict[str, str]:
    from channels_im.models import Channel
    from desk.models import User
    from tickets.models import Contact, Conversation, CustomField, Label

    user = User.objects.get(username=username)
    own = Channel.objects.filter(associations__agent__user=user).order_by("pk").first()
    own = own or Channel.objects.order_by("pk")[0]
    label = {each.key: str(each.pk) for each in Label.objects.all()}
    departments = Channel.objects.order_by("department").values_list("department", flat=True).distinct()
    values = {
        "OFTEN": label["often"],
        "SELDOM": label["seldom"],
        "NEVER": label["never"],
        "PAGE": own.page.page_id,
        "USER": username,
        "ME": str(user.pk),
    }
    choice = CustomField.objects.filter(key="plan").exists()
    contact = Contact.objects.filter(name=LONG, conversations__channel=own).order_by("pk").last()
    thread = Conversation.objects.filter(channel=own, message_count=3).order_by("-last_message_at", "-pk")[:1].get()
    pages = {
        **{f"inbox: {query}": f"/inbox/list/?{query}" for query in INBOX},
        **{f"tickets: {query}": f"/tickets/?{query}" for query in TICKETS},
        **{f"contacts: {query}": f"/contacts/?{query}" for query in CONTACTS},
        **{f"api: {query}": f"/api/v1/{query}" for query in (API if choice else ())},
        "sizes of saved views": "/inbox/views/sizes/",
        "saved views": "/inbox/views/",
        "filters": "/inbox/filters/",
        "macros of a conversation": f"/inbox/{thread.pk}/macros/",
        "mentions of a conversation": f"/inbox/{thread.pk}/mentions/",
        "menu of a row": f"/inbox/{thread.pk}/menu/",
        "ticket": f"/tickets/{thread.current_ticket_id}/",
        "macros in bulk": f"/inbox/bulk/macros/?conversation={thread.pk}",
        "labels in bulk": f"/inbox/bulk/labels/?conversation={thread.pk}",
        "colleagues in bulk": f"/inbox/bulk/colleagues/?conversation={thread.pk}",
        "same person": f"/contacts/{thread.contact_id}/same-person/?q=anna",
        "contact": f"/contacts/{thread.contact_id}/",
    }
    if contact:
        pages["contact, long timeline"] = f"/contacts/{contact.pk}/"
    some = list(Channel.objects.order_by("pk").values_list("pk", flat=True)[:3])
    pieces = {"channel": (str(own.pk), some), "department": (str(own.department_id), list(departments)[:3])}
    found = {}
    for name, address in pages.items():
        for field, (one, several) in pieces.items():
            address = address.replace(f"{field}=OWN", f"{field}={one}")
            address = address.replace(f"{field}=ALL", f"{field}={','.join(map(str, several))}")
        for word, value in values.items():
            address = address.replace(word, value)
        found[name] = address
    return found


def jobs() -> dict[str, Callable[[], Any]]:
    """Return what workers ask again and again, by name: whether there is something to do. Nothing is due or changed."""
    from desk.models import Department, User
    from tickets.rules.assigning import Mode, Policy
    from tickets.services.conversation import access, snoozing
    from tickets.services.inbox import assignment_settings, automatic_assignment, ticket_list
    from tickets.services.notifications import reminders
    from tickets.services.outgoing import scheduled_sending

    first = Department.objects.filter(name="Bench 0").get()
    policy = Policy(Mode.LEAST_LOADED, 10, last_agent_first=True)

    def exported(username: str) -> Callable[[], Any]:
        """Read the first EXPORT_BATCH tickets: the mark, the columns, and these."""
        user = User.objects.get(username=username)
        facts, query = access.facts_for(user), ticket_list.TicketQuery()
        return lambda: list(islice(ticket_list.csv_lines(user, facts, query), 2 + ticket_list.EXPORT_BATCH))

    return {
        **{f"export of tickets, {who}": exported(username) for who, username in PEOPLE.items()},
        "job: scheduled replies": scheduled_sending.is_due,
        "job: snoozes": snoozing.is_due,
        "job: reminders": reminders.is_due,
        "job: assignment": automatic_assignment.is_due,
        "preview of assignment": lambda: assignment_settings.preview(first, policy, {}),
    }

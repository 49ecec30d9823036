"""The list of people: search, and chips for state and role."""

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime

from allauth.usersessions.models import UserSession
from django.db.models import Count, Max, Prefetch
from django.http import HttpResponse
from django.utils.translation import gettext, pgettext
from django.views.decorators.http import require_safe

from channels_im.models import Channel
from channels_im.setup.access import may, setup_view
from desk import searching
from desk.languages import translated
from desk.models import Agent, User
from desk.requests import UserRequest
from desk.sentences import sentence
from desk.setup_lists import Asked, Empty, SetupList
from tickets.services.people import deactivation, roles
from tickets.services.people.roles import Role

from .pages import ADD, SEE_PEOPLE, name_of_role, page

ACTIVE, INVITED, DEACTIVATED = "active", "invited", "deactivated"
STATES = {ACTIVE: sentence("Active"), INVITED: sentence("Invited"), DEACTIVATED: sentence("Deactivated")}


@dataclass(frozen=True)
class Row:
    """A person in the list."""

    user: User
    role: Role
    state: str
    agent: Agent | None
    last_seen: datetime | None
    open_count: int


@setup_view(*SEE_PEOPLE)
@require_safe
def show(request: UserRequest) -> HttpResponse:
    """List the people, all or those that match the search and the chips."""
    asked = Asked(request, "state", "role")
    search, state, role = asked.search, asked["state"], asked["role"]
    users = list(User.objects.select_related("agent", "invitation").order_by("first_name", "last_name", "username"))
    found = [user for user in users if not search or searching.matches(search, str(user), user.username, user.email)]
    role_of = roles.roles_of(found)
    shown = [
        user
        for user in found
        if (state not in STATES or state_of(user) == state) and (not role or role_of[user.pk].key == role)
    ]
    states = Counter(state_of(user) for user in found)
    held = Counter(role_of[user.pk] for user in found)
    names = {one.key: name_of_role(one) for one in held}
    users_shown, pager = asked.page_of(shown)
    listing = SetupList(
        asked,
        (
            gettext("Name"),
            gettext("Role"),
            gettext("Departments"),
            gettext("Channels"),
            pgettext("number of open conversations", "Open"),
            gettext("Last seen"),
            gettext("State"),
        ),
        _rows(users_shown, role_of),
        pager,
        Empty(gettext("Nobody here yet"), icon="user"),
        search_words=gettext("Name, username or e-mail"),
        chips=(
            asked.chips(
                "state",
                [(key, translated(text)) for key, text in STATES.items() if states[key]],
                {"": str(len(found)), **{key: str(count) for key, count in states.items()}},
            ),
            asked.chips(
                "role",
                sorted(names.items(), key=lambda item: item[1]),
                {one.key: str(held[one]) for one in held},
                every=gettext("All roles"),
            ),
        ),
    )
    return page(request, "list.html", gettext("People"), list=listing, may_invite=may(request.user, ADD))


def state_of(user: User) -> str:
    """Return whether a person is active, invited or deactivated."""
    if user.is_active:
        return ACTIVE
    return INVITED if hasattr(user, "invitation") else DEACTIVATED


def _rows(users: Iterable[User], role_of: dict[int, Role]) -> list[Row]:
    ids = [user.pk for user in users]
    existing = Prefetch("channels", Channel.objects.existing(), to_attr="own_channels")
    agents = {
        agent.user_id: agent for agent in Agent.objects.filter(user__in=ids).prefetch_related("departments", existing)
    }
    sessions = UserSession.objects.filter(user__in=ids).order_by().values_list("user")
    last_seen = dict(sessions.annotate(last=Max("last_seen_at")))
    still_open = deactivation.open_conversations(*users)
    counts = dict(still_open.order_by().values_list("assignee").annotate(count=Count("pk")))
    return [
        Row(
            user,
            role_of[user.pk],
            state_of(user),
            agents.get(user.pk),
            max(filter(None, (last_seen.get(user.pk), user.last_login)), default=None),
            counts.get(user.pk, 0),
        )
        for user in users
    ]

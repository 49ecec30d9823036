"""The form of a macro, shared or personal: a name, a department, and a row for each action.

It works without scripts: each button that adds, moves or removes a row submits the form, which comes back with all
that was typed. static/desk/js/macro-form.js does the same without a new page.
"""

from dataclasses import dataclass, field
from typing import Any

from django import forms
from django.http import QueryDict
from django.utils.translation import gettext, gettext_lazy

from desk.languages import translated
from desk.models import Department, User
from desk.requests import UserRequest
from tickets.models import Label, Macro, Ticket
from tickets.rules import macros as rules
from tickets.rules.macros import Action, Do, To
from tickets.services.conversation import access
from tickets.services.inbox import labels, macro_words, macros
from tickets.views.base import parse_id, parse_ids

FIELD = {"class": "field", "autocomplete": "off"}
#: Buttons that change the rows and save nothing.
ROW_BUTTONS = ("add", "up", "down", "remove", "order")
Choices = list[tuple[str, str]]


@dataclass
class Row:
    """An action in the form. `key` is part of the names of its fields."""

    key: int
    action: Action
    problems: list[str] = field(default_factory=list)

    @property
    def kind(self) -> str:
        """The words for the kind of action."""
        if self.action.do is None:
            return gettext("Unknown action “%(name)s”") % {"name": self.action.unknown}
        return translated(macro_words.KINDS[self.action.do])

    @property
    def do(self) -> str:
        """What the hidden field says."""
        return self.action.do.value if self.action.do else self.action.unknown

    @property
    def limit(self) -> int:
        """The most characters of its text."""
        return rules.LIMITS.get(self.action.do or Do.REPLY, 0)

    @property
    def to(self) -> str:
        """The chosen option of the field that says to whom it assigns."""
        if self.action.to in (To.AGENT, To.DEPARTMENT):
            return f"{self.action.to}-{self.action.target}"
        return self.action.to.value if self.action.to else ""


class MacroForm(forms.Form):
    """The fields of a macro, and its rows. A personal one has no department."""

    name = forms.CharField(
        label=gettext_lazy("Name"),
        max_length=macros.NAME_LIMIT,
        widget=forms.TextInput({**FIELD, "aria-describedby": "name-error"}),
        error_messages={"required": gettext_lazy("Give the macro a name.")},
    )
    department = forms.ModelChoiceField(
        Department.objects.all(),
        label=gettext_lazy("Department"),
        required=False,
        empty_label=gettext_lazy("Every department"),
        widget=forms.Select({"class": "field", "aria-describedby": "department-error"}),
    )

    def __init__(
        self, request: UserRequest, macro: Macro | None, *, is_personal: bool = False, may_change: bool = True
    ) -> None:
        is_bound = request.method == "POST" and may_change
        initial = {"name": macro.name, "department": macro.department_id} if macro else None
        super().__init__(request.POST if is_bound else None, initial=initial)
        self._user, self._is_personal = request.user, is_personal
        if is_personal:
            del self.fields["department"]
        self.changes_rows = is_bound and any(name in request.POST for name in ROW_BUTTONS)
        self.general: list[str] = []
        if is_bound:
            self.rows = _change_rows(request.POST, _posted_rows(request.POST))
        else:
            actions = rules.parse(macro.actions) if macro else []
            self.rows = [Row(key, action) for key, action in enumerate(actions)]
            if macro is not None:
                self.show(macros.problems_of(macro))

    @property
    def actions(self) -> list[Action]:
        """The actions, in their order."""
        return [row.action for row in self.rows]

    def show(self, problems: list[rules.Problem]) -> None:
        """Show these problems at their rows."""
        for problem in problems:
            words = translated(problem.sentence)
            if problem.index is None:
                self.general.append(words)
            else:
                self.rows[problem.index].problems.append(words)

    @property
    def is_out_of_order(self) -> bool:
        """Whether another order of the rows would be better."""
        return rules.in_order(self.actions) != self.actions

    @property
    def kinds(self) -> Choices:
        """The kinds of actions that can be added."""
        return [(do.value, translated(words)) for do, words in macro_words.KINDS.items()]

    @property
    def priorities(self) -> Choices:
        """The priorities."""
        return [(value, str(words)) for value, words in Ticket.Priority.choices]

    @property
    def snoozes(self) -> Choices:
        """The choices of snoozing."""
        return [(choice.value, translated(words)) for choice, words in macro_words.SNOOZES.items()]

    @property
    def agents(self) -> Choices:
        """The agents that conversations can be assigned to."""
        users = User.objects.filter(is_active=True, agent__isnull=False).order_by("first_name", "username")
        return [(f"{To.AGENT}-{user.pk}", str(user)) for user in users]

    @property
    def departments(self) -> Choices:
        """The departments that conversations can be transferred to."""
        return [(f"{To.DEPARTMENT}-{one.pk}", one.name) for one in Department.objects.order_by("name")]

    @property
    def labels(self) -> list[Label]:
        """The labels that the macro can name."""
        found = labels.seen_by(access.facts_for(self._user)) if self._is_personal else Label.objects.all()
        return list(found.select_related("department"))


def _posted_rows(data: QueryDict) -> list[Row]:
    keys = parse_ids(data.getlist("row"))[: rules.MOST_ACTIONS + 1]
    return [Row(key, _posted_action(data, key)) for key in dict.fromkeys(keys)]


def _posted_action(data: QueryDict, key: int) -> Action:
    kind = data.get(f"do-{key}", "")
    to, _, target = data.get(f"to-{key}", "").partition("-")
    stored: dict[str, Any] = {
        "do": kind,
        "text": data.get(f"text-{key}", "").replace("\r\n", "\n"),
        "value": data.get(f"value-{key}", ""),
        "to": to,
        "id": parse_id(target),
        "labels": parse_ids(data.getlist(f"labels-{key}")),
    }
    return rules.parse([stored])[0]


def _change_rows(data: QueryDict, rows: list[Row]) -> list[Row]:
    """Return the rows after the button that was pressed."""
    position = {str(row.key): index for index, row in enumerate(rows)}
    if "add" in data and len(rows) < rules.MOST_ACTIONS and data.get("new", "") in tuple(Do):
        key = max((row.key for row in rows), default=-1) + 1
        return [*rows, Row(key, Action(Do(data.get("new", ""))))]
    if (at := position.get(data.get("remove", ""))) is not None:
        return rows[:at] + rows[at + 1 :]
    if (at := position.get(data.get("up", ""))) is not None and at > 0:
        return [*rows[: at - 1], rows[at], rows[at - 1], *rows[at + 1 :]]
    if (at := position.get(data.get("down", ""))) is not None and at < len(rows) - 1:
        return [*rows[:at], rows[at + 1], rows[at], *rows[at + 2 :]]
    if "order" in data:
        by_action = {id(row.action): row for row in rows}
        return [by_action[id(action)] for action in rules.in_order([row.action for row in rows])]
    return rows


@dataclass(frozen=True)
class Listed:
    """A macro as lists show it: what it does, and why it cannot be run."""

    macro: Macro
    words: list[str]
    problems: list[str]
    texts: list[str]

    @property
    def summary(self) -> str:
        """What it does and writes, in lines."""
        return "\n".join([*(f"• {words}" for words in self.words), *(f"\n{text}" for text in self.texts)])


def listed(rows: list[Macro]) -> list[Listed]:
    """Return the macros as lists show them; at most three queries."""
    parsed = [rules.parse(macro.actions) for macro in rows]
    names = macros.known(parsed)
    return [
        Listed(
            macro,
            [translated(macro_words.words(action, names).will) for action in actions],
            [translated(problem.sentence) for problem in macros.problems_of(macro, names)],
            [action.text for action in actions if action.do in (Do.REPLY, Do.NOTE)],
        )
        for macro, actions in zip(rows, parsed, strict=True)
    ]

"""The lists of Setup: search, filters as chips, and one page of rows. They are shown by templates/setup/list.html."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar
from urllib.parse import urlencode

from django.contrib.humanize.templatetags.humanize import intcomma
from django.core.paginator import Paginator
from django.db.models import Model, Q, QuerySet
from django.http import HttpRequest
from django.utils.translation import gettext

from desk.languages import translated
from desk.sentences import sentence

M = TypeVar("M", bound=Model)
T = TypeVar("T")
MAX_SEARCH = 200  # characters
PER_PAGE = 50
MAX_ID_DIGITS = 18
ALL = sentence("All")


@dataclass(frozen=True)
class Chip:
    """A filter: its words, the query of its address, whether it is chosen, and how many rows it shows."""

    text: str
    query: str
    is_here: bool
    count: str = ""


@dataclass(frozen=True)
class Pager:
    """The queries of the pages before and after this one, "" where there is none, and where this one is."""

    previous: str = ""
    next: str = ""
    text: str = ""
    words: tuple[str, str] = (sentence("Previous"), sentence("Next"))


@dataclass(frozen=True)
class Empty:
    """What a list without any row says: a heading, what to do, and an icon."""

    heading: str
    text: str = ""
    icon: str = ""


class Asked:
    """What a request asks a list for: `search`, and the value of each filter. It makes the queries of the links."""

    def __init__(self, request: HttpRequest, *filters: str) -> None:
        self.search = request.GET.get("q", "").strip()[:MAX_SEARCH]
        self.chosen = {name: request.GET.get(name, "") for name in filters}
        self._page = request.GET.get("page")
        self._after, self._before = (_number(request.GET.get(name)) for name in ("after", "before"))

    def __getitem__(self, name: str) -> str:
        return self.chosen[name]

    @property
    def is_narrowed(self) -> bool:
        """Whether a search or a filter leaves rows out."""
        return bool(self.search or any(self.chosen.values()))

    def query(self, **changes: Any) -> str:
        """Return the query with the search and the filters, some of them changed; empty ones are left out."""
        values = {"q": self.search, **self.chosen, **changes}
        return urlencode({name: value for name, value in values.items() if value})

    def chips(
        self,
        name: str,
        choices: Iterable[tuple[str, Any]],
        counts: Mapping[str, str] | None = None,
        every: str = ALL,
    ) -> list[Chip]:
        """Return the chips of the filter `name`: one for no filter, with the words `every`, and one for each choice."""
        return [
            Chip(str(text), self.query(**{name: value}), self.chosen[name] == value, (counts or {}).get(value, ""))
            for value, text in [("", translated(every)), *choices]
        ]

    def page_of(self, rows: Sequence[T] | QuerySet[Any, Any], per_page: int = PER_PAGE) -> tuple[list[T], Pager]:
        """Return a page by its number, for lists that stay short: all rows are counted."""
        page = Paginator(rows, per_page).get_page(self._page)
        count = page.paginator.num_pages
        words = gettext("Page %(number)s of %(count)s")
        pager = Pager(
            self.query(page=page.previous_page_number()) if page.has_previous() else "",
            self.query(page=page.next_page_number()) if page.has_next() else "",
            words % {"number": page.number, "count": count} if count > 1 else "",
        )
        return list(page.object_list), pager

    def newest_of(self, rows: QuerySet[M, M], per_page: int = PER_PAGE, time: str = "") -> tuple[list[M], Pager]:
        """Return a page of rows, newest first, whatever the length of the list: by id, or by the field `time` and id.

        `after` and `before` in the request are ids: the page has the rows next to them, newer or older. When these were
        deleted meanwhile, it is the first page.
        """
        if self._after is not None:
            newer = _beyond(rows, self._after, "gt", time)
            found = list(newer.order_by(*filter(None, (time, "pk")))[: per_page + 1])
            has_newer, has_older, page = len(found) > per_page, True, found[:per_page][::-1]
        else:
            older = rows if self._before is None else _beyond(rows, self._before, "lt", time)
            found = list(older.order_by(*(f"-{name}" for name in (time, "pk") if name))[: per_page + 1])
            has_newer, has_older, page = self._before is not None, len(found) > per_page, found[:per_page]
        if not page and (self._after, self._before) != (None, None):
            self._after = self._before = None
            return self.newest_of(rows, per_page, time)
        if not page:
            return page, Pager()
        to_newer = self.query(after=page[0].pk) if has_newer else ""
        return page, Pager(
            to_newer, self.query(before=page[-1].pk) if has_older else "", words=(sentence("Newer"), sentence("Older"))
        )


@dataclass(frozen=True)
class SetupList:
    """A list as its template shows it. Without `search_words`, it has no field for a search."""

    asked: Asked
    columns: Sequence[str]
    rows: Sequence[Any]
    pager: Pager
    empty: Empty
    search_words: str = ""
    chips: Sequence[Sequence[Chip]] = ()

    @property
    def shown_chips(self) -> list[Sequence[Chip]]:
        """The filters with a choice, once there is something to filter."""
        if not self.rows and not self.asked.is_narrowed:
            return []
        return [group for group in self.chips if len(group) > 2 or self.asked.is_narrowed]


def up_to(count: int, limit: int) -> str:
    """Return a count as it is shown; one above `limit` is not exact."""
    return f"{intcomma(limit)}+" if count > limit else intcomma(count)


def _beyond(rows: QuerySet[M, M], pk: int, than: str, time: str) -> QuerySet[M, M]:
    """Return the rows before (`lt`) or after (`gt`) the row with this id."""
    if not time:
        return rows.filter(**{f"pk__{than}": pk})
    at = rows.model._default_manager.filter(pk=pk).values_list(time, flat=True).first()
    beyond = Q(**{f"{time}__{than}": at}) | Q(**{f"pk__{than}": pk})
    return rows.filter(beyond, **{f"{time}__{than}e": at}) if at is not None else rows.none()


def _number(text: str | None) -> int | None:
    return int(text) if text and text.isascii() and text.isdecimal() and len(text) <= MAX_ID_DIGITS else None

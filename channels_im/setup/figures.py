"""What Health shows of the last hour and the last 24 hours: messages, times, failures by cause, and their charts."""

from collections import defaultdict
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from django.contrib.humanize.templatetags.humanize import intcomma
from django.utils import timezone
from django.utils.formats import date_format, number_format
from django.utils.translation import gettext, ngettext, pgettext

from channels_im.services import traffic
from channels_im.services.traffic import HourCount
from channels_im.setup.access import may
from desk import charts, failure_digest, timing_reports, timings
from desk.charts import Chart, Series
from desk.failure_digest import Cause
from desk.models import User
from desk.timing_reports import Times

HOUR, DAY = timedelta(hours=1), timedelta(days=1)
MAX_CAUSES = 20  # of a Page


@dataclass(frozen=True)
class FailureLine:
    """A cause with its counts; `path` leads to where it is shown, and is "" for who may not go there."""

    title: str
    why: str
    where: str
    hour: int
    day: int
    path: str


@dataclass(frozen=True)
class Failures:
    """The most frequent causes, and how many failures have other causes."""

    lines: list[FailureLine]
    rest: int = 0


@dataclass(frozen=True)
class TimesLine:
    """A way that messages take, with half and 95 % of the last hour and of the last day, in words."""

    label: str
    hour: tuple[str, str]
    day: tuple[str, str]


@dataclass(frozen=True)
class Totals:
    """The messages of the last 24 hours."""

    incoming: int
    outgoing: int

    @property
    def sentence(self) -> str:
        """Return both counts in words."""
        values = {"incoming": intcomma(self.incoming), "outgoing": intcomma(self.outgoing)}
        if self.outgoing == 1:
            text = ngettext(
                "In the last 24 hours %(incoming)s message came in and %(outgoing)s was sent.",
                "In the last 24 hours %(incoming)s messages came in and %(outgoing)s was sent.",
                self.incoming,
            )
        else:
            text = ngettext(
                "In the last 24 hours %(incoming)s message came in and %(outgoing)s were sent.",
                "In the last 24 hours %(incoming)s messages came in and %(outgoing)s were sent.",
                self.incoming,
            )
        return text % values


@dataclass(frozen=True)
class Figures:
    """All of it. `failures` and `totals` are by the Page's primary key; the failures of no Page have the key None."""

    failures: dict[int | None, Failures]
    totals: dict[int, Totals]
    times: list[TimesLine]
    hour_count: int
    day_count: int
    charts: list[Chart]


def of(user: User, now: datetime | None = None) -> Figures:
    """Return the figures in a constant number of queries, which read the rows of the last 24 hours only."""
    now = now or timezone.now()
    causes = failure_digest.causes_between(now - DAY, now)
    messages = traffic.by_hour(now - DAY, now)
    of_hour, of_day = timing_reports.between(now - HOUR, now), timing_reports.between(now - DAY, now)
    return Figures(
        failures=_failures(user, causes, now),
        totals=_totals(messages),
        times=[
            TimesLine(label, _in_words(of_hour[kind]), _in_words(of_day[kind]))
            for kind, label in (
                (timings.STORED, gettext("From the webhook until stored")),
                (timings.SHOWN, gettext("From there to the first open inbox")),
                (timings.SCREEN, gettext("From the webhook to the first open inbox")),
            )
        ],
        hour_count=of_hour[timings.STORED].count,
        day_count=of_day[timings.STORED].count,
        charts=_charts(messages, causes, now),
    )


# --- Failures ---------------------------------------------------------------------------------------------------------
def _failures(user: User, causes: list[Cause], now: datetime) -> dict[int | None, Failures]:
    in_hour: dict[tuple[str, str, str, int | None], int] = {
        _key(cause): cause.count
        for cause in failure_digest.together(each for each in causes if each.minute and each.minute > now - HOUR)
    }
    lines: dict[int | None, list[FailureLine]] = defaultdict(list)
    for cause in failure_digest.together(causes):
        path = cause.path if may(user, *cause.permissions) else ""
        hour = in_hour.get(_key(cause), 0)
        lines[cause.page].append(FailureLine(cause.title, cause.why, cause.where, hour, cause.count, path))
    return {
        page: Failures(each[:MAX_CAUSES], sum(line.day for line in each[MAX_CAUSES:])) for page, each in lines.items()
    }


def _key(cause: Cause) -> tuple[str, str, str, int | None]:
    return cause.title, cause.why, cause.where, cause.page


# --- Numbers in words -------------------------------------------------------------------------------------------------
def seconds_in_words(seconds: float | None) -> str:
    """Return "240 ms", "2.4 s", "45 s", "12 min" or "3 h", and "–" for None."""
    if seconds is None:
        return "–"
    if seconds < 0.9995:
        return gettext("%(number)s ms") % {"number": f"{seconds * 1000:.0f}"}
    if seconds < 9.95:
        return gettext("%(number)s s") % {"number": number_format(f"{seconds:.1f}")}
    if seconds < 119.5:
        return gettext("%(number)s s") % {"number": f"{seconds:.0f}"}
    if seconds < 119.5 * 60:
        return gettext("%(number)s min") % {"number": f"{seconds / 60:.0f}"}
    return gettext("%(number)s h") % {"number": f"{seconds / 3600:.0f}"}


def _in_words(times: Times) -> tuple[str, str]:
    return seconds_in_words(times.p50), seconds_in_words(times.p95)


def _hour_in_words(hour: datetime) -> str:
    local = timezone.localtime(hour)
    return f"{date_format(local, 'SHORT_DAY_FORMAT')}, {date_format(local, 'TIME_FORMAT')}"


def _count_in_words(count: float | None) -> str:
    return intcomma(int(count or 0))


def _totals(messages: list[HourCount]) -> dict[int, Totals]:
    totals: dict[int, Totals] = {}
    for row in messages:
        known = totals.get(row.page, Totals(0, 0))
        totals[row.page] = Totals(known.incoming + row.incoming, known.outgoing + row.outgoing)
    return totals


# --- Charts -----------------------------------------------------------------------------------------------------------
def _charts(messages: list[HourCount], causes: list[Cause], now: datetime) -> list[Chart]:
    """Return the charts of messages, failures and times by hour; the first and the last hour are not whole."""
    first = (now - DAY).astimezone(UTC).replace(minute=0, second=0, microsecond=0)
    hours = [first + HOUR * number for number in range(25)]
    incoming: dict[datetime, int] = defaultdict(int)
    outgoing: dict[datetime, int] = defaultdict(int)
    failed: dict[datetime, int] = defaultdict(int)
    for row in messages:
        incoming[row.hour] += row.incoming
        outgoing[row.hour] += row.outgoing
    for cause in causes:
        if cause.minute and not cause.is_held:
            failed[cause.minute.astimezone(UTC).replace(minute=0)] += cause.count
    times = timing_reports.by_hour(timings.SCREEN, now - DAY, now)
    none = Times(0, None, None)

    def rows(*values: Callable[[datetime], float | None]) -> list[tuple[str, list[float | None]]]:
        return [(_hour_in_words(hour), [value(hour) for value in values]) for hour in hours]

    return [
        charts.chart(
            "messages",
            gettext("Messages by hour"),
            [Series(gettext("From customers"), "in"), Series(pgettext("nouns", "Replies"), "out")],
            rows(lambda hour: incoming[hour], lambda hour: outgoing[hour]),
            words=_count_in_words,
            describe=gettext("Messages from customers, and replies that were sent, in each of the last 24 hours."),
            empty=gettext("There were no messages in the last 24 hours."),
        ),
        charts.chart(
            "failures",
            gettext("Failures by hour"),
            [Series(gettext("Failures"), "failed")],
            rows(lambda hour: failed[hour]),
            words=_count_in_words,
            describe=gettext("Deliveries, replies and webhook events that failed in each of the last 24 hours."),
            empty=gettext("Nothing failed in the last 24 hours."),
        ),
        charts.chart(
            "times",
            gettext("From the webhook to the screen"),
            [Series(gettext("95 % within"), "p95"), Series(gettext("Half within"), "p50")],
            rows(lambda hour: times.get(hour, none).p95, lambda hour: times.get(hour, none).p50),
            words=seconds_in_words,
            describe=gettext(
                "The time within which half and %(share)s %% of the messages were shown, in each of the last 24 hours."
            )
            % {"share": 95},
            empty=gettext("No message was shown in an open inbox in the last 24 hours."),
            overlaid=True,
        ),
    ]

"""A prepared query answers as the query it is made of, whatever its values are."""

import gc
import threading
import weakref
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, timedelta
from typing import Any

import pytest
from django.db import DEFAULT_DB_ALIAS, connection, connections
from django.db.models import F, Q, QuerySet
from django.test.utils import CaptureQueriesContext
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from desk import prepared
from desk.models import Agent, Department, User
from desk.prepared import Prepared, PreparedModels
from tests.factories import NOON, make_user

DAY = timedelta(days=1)


def query(
    is_staff: bool, *, one: int, some: Sequence[int], none: Sequence[int], since: datetime
) -> QuerySet[User, Any]:
    """Build a query with each kind of value: alone, in a list, in an empty list, and a time that is shifted."""
    wanted = Q(pk=one) | Q(pk__in=some) | Q(pk__in=none)
    rows = User.objects.filter(wanted, is_staff=is_staff, date_joined__gt=since - DAY, date_joined__lte=since + DAY)
    return rows.order_by("pk").values_list("pk")


@pytest.mark.django_db
@settings(max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    st.booleans(),
    st.integers(0, 9),
    st.lists(st.integers(0, 9), max_size=6),
    st.integers(-3, 3).map(lambda days: NOON + days * DAY + timedelta(microseconds=days)),
)
def test_it_answers_as_the_query_itself(is_staff: bool, one: int, some: list[int], since: datetime) -> None:
    if not User.objects.exists():
        for number in range(10):
            make_user(f"u{number}", is_staff=number % 2 == 0, date_joined=NOON + (number - 5) * DAY / 2)
    ids = list(User.objects.order_by("pk").values_list("pk", flat=True))
    values: dict[str, Any] = {"one": ids[one], "some": [ids[each] for each in some], "none": [], "since": since}
    for _twice in range(2):
        assert PREPARED.rows((is_staff,), **values) == list(query(is_staff, **values))


PREPARED = Prepared(query)


@pytest.mark.django_db
def test_a_query_is_built_once_for_lists_of_about_the_same_length() -> None:
    built: list[int] = []

    def counted(*, users: Sequence[int]) -> QuerySet[User, Any]:
        built.append(len(users))
        return User.objects.filter(pk__in=users).order_by("pk").values_list("pk")

    ids = [make_user().pk for _ in range(8)]
    asked = Prepared(counted)
    with CaptureQueriesContext(connection) as captured:
        for length in (5, 6, 7, 8, 5):
            assert asked.rows(users=ids[:length]) == [(pk,) for pk in ids[:length]]
    assert built == [8]
    assert len(captured) == 5


@pytest.mark.django_db
def test_a_value_in_the_text_of_the_query_is_refused() -> None:
    def written(*, number: int) -> QuerySet[User, Any]:
        return User.objects.extra(where=[f"id = {number}"]).values_list("pk")  # noqa: S610 - what is refused

    with pytest.raises(ValueError, match="cannot be replaced"):
        Prepared(written).rows(number=7)


@pytest.mark.django_db
def test_only_so_many_statements_are_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(prepared, "MAX_STATEMENTS", 3)

    def one(_key: int, *, user: int) -> QuerySet[User, Any]:
        return User.objects.filter(pk=user).values_list("pk")

    user = make_user()
    asked = Prepared(one)
    for key in range(10):
        assert asked.rows((key,), user=user.pk) == [(user.pk,)]
    assert len(asked._statements._by_shape) <= 3


@pytest.mark.django_db
def test_a_query_that_can_find_nothing_is_not_made() -> None:
    with CaptureQueriesContext(connection) as captured:
        assert Prepared(lambda *, users: User.objects.filter(pk__in=users).values_list("pk")).rows(users=[]) == []
    assert len(captured) == 0


def agents(is_staff: bool, *, users: Sequence[int], since: datetime) -> QuerySet[Agent, Any]:
    """Build a query with a join, rows that are read with it, a column of its own, and two that are left out."""
    rows = Agent.objects.filter(user__in=users, user__is_staff=is_staff, user__date_joined__gt=since)
    rows = rows.select_related("user").prefetch_related("departments").defer("user__password")
    return rows.annotate(is_first=Q(pk__lte=F("user_id"))).order_by("-user__username")[:5]


AGENTS = PreparedModels(agents)


def shown(agent: Any) -> list[Any]:
    """Return everything that was read of an agent; asks the database for nothing."""
    read = [{name: value for name, value in vars(row).items() if name[0] != "_"} for row in (agent, agent.user)]
    return [*read, [department.pk for department in agent.departments.all()], agent._state.db, agent._state.adding]


@pytest.mark.django_db
@settings(max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.booleans(), st.lists(st.integers(0, 9), max_size=9), st.integers(-3, 3).map(lambda day: NOON + day * DAY))
def test_it_makes_the_same_models(is_staff: bool, some: list[int], since: datetime) -> None:
    if not Agent.objects.exists():
        department = Department.objects.create(name="Sales")
        for number in range(10):
            user = make_user(f"u{number}", is_staff=number % 2 == 0, date_joined=NOON + (number - 5) * DAY / 2)
            Agent.objects.create(user=user).departments.set([department] * (number % 3))
    ids = list(User.objects.order_by("pk").values_list("pk", flat=True))
    users = [ids[each] for each in some]
    expected = [shown(agent) for agent in agents(is_staff, users=users, since=since)]
    for _twice in range(2):
        found = AGENTS.rows((is_staff,), users=users, since=since)
        with CaptureQueriesContext(connection) as captured:
            assert [shown(agent) for agent in found] == expected
        assert len(captured) == 0


@pytest.mark.django_db
def test_every_call_makes_new_models() -> None:
    asked = PreparedModels[User](lambda *, ids: User.objects.filter(pk__in=ids))
    user = make_user()
    first = asked.by_id([user.pk])[user.pk]
    first.username = "changed"
    assert asked.by_id([user.pk]) == {user.pk: user}
    assert asked.by_id([user.pk])[user.pk].username == user.username
    first.save()
    assert asked.by_id([user.pk])[user.pk].username == "changed"


@pytest.mark.django_db
def test_an_id_that_no_column_holds_is_no_row() -> None:
    asked = PreparedModels[User](lambda *, ids: User.objects.filter(pk__in=ids))
    assert asked.by_id([]) == {}
    assert asked.by_id([2**63, -(2**70)]) == {}
    user = make_user()
    assert asked.by_id([user.pk, 2**64]) == {user.pk: user}


@pytest.mark.django_db(transaction=True)
def test_each_thread_reads_with_its_own_connection() -> None:
    asked = PreparedModels[User](lambda *, ids: User.objects.filter(pk__in=ids))
    users = [make_user() for _ in range(6)]

    def read(user: User) -> bool:
        try:
            return all(asked.by_id([user.pk]) == {user.pk: user} for _ in range(50))
        finally:
            connection.close()

    with ThreadPoolExecutor(6) as threads:
        assert all(threads.map(read, users))


@pytest.mark.django_db(transaction=True)
def test_the_connection_of_a_thread_ends_with_the_thread() -> None:
    asked = PreparedModels[User](lambda *, ids: User.objects.filter(pk__in=ids))
    user = make_user()
    used: list[weakref.ref[Any]] = []

    def read() -> None:
        asked.by_id([user.pk])
        used.append(weakref.ref(connections[DEFAULT_DB_ALIAS]))
        connection.close()

    thread = threading.Thread(target=read)
    thread.start()
    thread.join()
    gc.collect()
    assert used[0]() is None
    assert asked.by_id([user.pk]) == {user.pk: user}

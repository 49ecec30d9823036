"""desk.backoff: when what failed is tried again."""

from datetime import timedelta
from itertools import pairwise

import pytest
from pytest_django import Settings

from desk.backoff import GIVE_UP_AFTER, MAX_TRIES, delay_after


def pauses(settings: Settings, base: float) -> list[float]:
    settings.DESK_RETRY_BASE_SECONDS = base
    found: list[float] = []
    while (pause := delay_after(len(found) + 1)) is not None:
        found.append(pause.total_seconds())
    return found


def test_the_first_three_are_quick_and_each_pause_doubles(settings: Settings) -> None:
    found = pauses(settings, 2)
    assert found[:3] == [2, 4, 8]
    assert all(later == 2 * earlier for earlier, later in pairwise(found))


def test_it_ends_within_a_day_and_not_before_half_of_it(settings: Settings) -> None:
    total = timedelta(seconds=sum(pauses(settings, 2)))
    assert GIVE_UP_AFTER / 2 < total <= GIVE_UP_AFTER


@pytest.mark.parametrize("base", [0.001, 0.1, 2, 60, 40_000])
def test_it_ends_for_every_base_after_at_least_three_tries(settings: Settings, base: float) -> None:
    assert 3 <= len(pauses(settings, base)) <= MAX_TRIES


def test_no_pause_is_longer_than_a_day(settings: Settings) -> None:
    assert max(pauses(settings, 100_000)) <= GIVE_UP_AFTER.total_seconds()

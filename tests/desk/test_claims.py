"""Claims by due time: two workers never have the same row, and a late outcome changes nothing."""

from datetime import timedelta

import pytest
from time_machine import Traveller

from channels_im.models import Page
from desk.claims import DueTimes
from tests.factories import NOON, make_channel

pytestmark = pytest.mark.django_db
CHECKS = DueTimes(Page, "subscription_due_at", "subscription_attempts", lasts=timedelta(seconds=90))


@pytest.fixture
def page(time_machine: Traveller) -> Page:
    time_machine.move_to(NOON, tick=False)
    page = make_channel().page
    Page.objects.filter(pk=page.pk).update(subscription_due_at=NOON, subscription_attempts=0)
    page.refresh_from_db()
    return page


def test_of_two_workers_that_read_a_row_one_gets_it(page: Page) -> None:
    due = Page.objects.filter(CHECKS.is_due())
    first, second = due.get(pk=page.pk), due.get(pk=page.pk)
    assert CHECKS.claim_one(first, due)
    assert not CHECKS.claim_one(second, due)
    assert (second.subscription_due_at, second.subscription_attempts) == (NOON, 0)
    assert CHECKS.claim(due.filter(pk=page.pk)) == []


def test_a_row_that_stopped_being_due_for_another_reason_is_not_claimed(page: Page) -> None:
    allowed = Page.objects.filter(CHECKS.is_due(), background_limited_until=None)
    row = allowed.get(pk=page.pk)
    Page.objects.filter(pk=page.pk).update(background_limited_until=NOON)
    assert not CHECKS.claim_one(row, allowed)


def test_what_a_dead_worker_claimed_is_due_again_and_its_outcome_is_dropped(
    page: Page, time_machine: Traveller
) -> None:
    def claim() -> list[Page]:
        return CHECKS.claim(Page.objects.filter(CHECKS.is_due(), pk=page.pk), limit=1)

    (dead,) = claim()
    time_machine.move_to(NOON + timedelta(seconds=89), tick=False)
    assert claim() == []
    assert CHECKS.held(dead).exists()
    time_machine.move_to(NOON + timedelta(seconds=90), tick=False)
    (alive,) = claim()
    assert alive.subscription_attempts == 2
    assert not CHECKS.held(dead).update(subscription_due_at=None)
    assert CHECKS.held(alive).update(subscription_due_at=None) == 1


@pytest.mark.parametrize(("tries", "seconds"), [(1, 90), (3, 90), (8, 256), (1000, None)])
def test_a_time_is_ahead_by_a_retry_or_by_a_claim(tries: int, seconds: int | None) -> None:
    assert CHECKS.longest_ahead(tries) == (None if seconds is None else timedelta(seconds=seconds))

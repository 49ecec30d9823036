"""A channel that was just activated is being checked: nothing is wrong with it yet."""

import pytest
from django.utils import timezone

from channels_im.models import Page
from channels_im.setup import menu, presenters
from tests.factories import make_admin, make_channel

pytestmark = pytest.mark.django_db


@pytest.mark.parametrize(("attempts", "error"), [(0, ""), (1, ""), (3, ""), (1, "Facebook refused it.")])
def test_only_a_check_that_failed_or_takes_long_is_a_problem(attempts: int, error: str) -> None:
    channel, admin = make_channel(), make_admin()
    Page.objects.update(
        subscription=Page.Subscription.UNSUBSCRIBED,
        subscription_due_at=timezone.now(),
        subscription_attempts=attempts,
        subscription_error=error,
    )
    is_problem = attempts > 1 or bool(error)
    chip = presenters.chip(presenters.channels().get(pk=channel.pk))
    assert chip.text == ("Not receiving all events" if is_problem else "Connected · checking …")
    sentences = " ".join(item.sentence for item in menu.attention(admin))
    assert ("does not receive all events" in sentences) == is_problem

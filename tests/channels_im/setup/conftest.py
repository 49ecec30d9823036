"""An administrator in front of Setup, three departments, and Facebook at its HTTP edge."""

from collections.abc import Iterator

import pytest
import responses
from django.test import Client

from desk.models import Department, User
from tests.channels_im.setup.fake_meta import FakeMeta
from tests.factories import make_admin, make_department


@pytest.fixture
def meta() -> Iterator[FakeMeta]:
    with responses.RequestsMock(assert_all_requests_are_fired=False) as mock:
        yield FakeMeta(mock)


@pytest.fixture
def administrator(db: None) -> User:
    return make_admin()


@pytest.fixture
def setup(administrator: User) -> Client:
    """A browser in which the administrator is logged in."""
    client = Client()
    client.force_login(administrator)
    return client


@pytest.fixture
def departments(db: None) -> list[Department]:
    return [make_department(name) for name in ("Sales", "Service", "Workshop")]

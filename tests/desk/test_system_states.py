"""The state of worker, e-mail, disk and update on the first page of Setup, and the red dot in the workspace."""

from datetime import timedelta
from types import SimpleNamespace

import pytest
from allauth.mfa.models import Authenticator
from django.contrib.auth.models import Permission
from django.db import connection
from django.db.migrations.recorder import MigrationRecorder
from django.test import Client
from django.urls import reverse
from django.utils import timezone
from pytest_django.fixtures import Settings

from channels_im.models import WebhookDelivery
from desk import health, system_states
from desk.models import Heartbeat, User
from tests.desk.conftest import GIB
from tests.factories import make_admin, make_agent, make_channel, make_page
from tests.pages import html_of


@pytest.fixture
def administrator(db: None) -> User:
    return make_admin(email="admin@example.com")


@pytest.fixture
def setup(administrator: User) -> Client:
    client = Client()
    client.force_login(administrator)
    return client


pytestmark = pytest.mark.usefixtures("disk")


def home(client: Client) -> str:
    return html_of(client.get("/admin/"))


def urgent(client: Client) -> list[str]:
    sentences: list[str] = client.get(reverse("admin:attention")).json()["urgent"]
    return sentences


def test_a_healthy_installation_says_what_it_does(setup: Client, healthy: None) -> None:
    make_agent(channels=(make_channel(make_page(last_event_at=timezone.now())),))
    page = home(setup)
    for sentence in ("The worker is running.", "E-mail is sent", "The Page is connected.", "of disk space is free."):
        assert sentence in page
    assert "Needs attention" not in page
    assert urgent(setup) == []


def test_a_worker_that_never_ran_or_stopped_needs_attention(setup: Client) -> None:
    assert "The worker has never run." in home(setup)
    Heartbeat.objects.create(name=health.WORKER, beat_at=timezone.now() - timedelta(minutes=3))
    page = home(setup)
    assert "heartbeat was 180 seconds ago" in page
    assert "Needs attention" in page
    assert "heartbeat was 180 seconds ago" in urgent(setup)[0]


def test_what_waits_too_long_is_a_warning_and_no_red_dot(setup: Client, healthy: None) -> None:
    WebhookDelivery.objects.create(body=b"{}")
    WebhookDelivery.objects.update(received_at=timezone.now() - timedelta(minutes=10))
    assert "Deliveries from Meta have been waiting for 600 seconds." in home(setup)
    assert urgent(setup) == []


@pytest.mark.parametrize(
    ("free", "sentence", "is_urgent"),
    [
        (5 * GIB, "5.0 GB of disk space is free.", False),
        (5 * GIB - 1, "Only 5.0 GB of disk space is free.", False),
        (GIB - 1, "of disk space is free. When it is full", True),
    ],
)
def test_little_space_needs_attention(
    setup: Client, healthy: None, disk: SimpleNamespace, free: int, sentence: str, is_urgent: bool
) -> None:
    disk.free = free
    assert sentence in home(setup).replace("\xa0", " ")
    assert bool(urgent(setup)) is is_urgent


def test_files_and_database_elsewhere_have_no_disk_here(settings: Settings, db: None) -> None:
    settings.DESK_FILES_URL = "s3://desk"
    assert (system_states.disk() is None) is (connection.vendor != "sqlite")


def test_administrators_without_an_address_are_a_warning(setup: Client, healthy: None, administrator: User) -> None:
    User.objects.filter(pk=administrator.pk).update(email="")
    assert "No administrator has an e-mail address" in home(setup)


@pytest.mark.slow
def test_a_public_installation_asks_administrators_for_a_second_step(
    setup: Client, healthy: None, settings: Settings, administrator: User
) -> None:
    assert "no two-step login" not in home(setup)  # at http://localhost nobody else comes in
    settings.PUBLIC_URL = "https://desk.example.com"
    assert "no two-step login" in home(setup)
    Authenticator.objects.create(user=administrator, type=Authenticator.Type.RECOVERY_CODES, data={})
    assert "no two-step login" in home(setup)  # recovery codes alone are no step
    Authenticator.objects.create(user=administrator, type=Authenticator.Type.TOTP, data={})
    assert "no two-step login" not in home(setup)


def test_an_update_that_waits_is_urgent(setup: Client, healthy: None) -> None:
    system_states._is_migrated.clear()
    recorded = MigrationRecorder(connection).migration_qs.filter(app="tickets").latest("name")
    recorded.delete()
    assert "An update is not finished: 1 migration did not run." in urgent(setup)[0]
    recorded.save(force_insert=True)
    assert urgent(setup) == []


def test_a_lost_page_is_counted(setup: Client, healthy: None) -> None:
    make_channel()
    make_channel(make_page(connection="reauth_required", reauth_reason="token_expired"))
    assert "1 of 2 Pages is not connected." in home(setup)
    assert "cannot send" in urgent(setup)[0]


def test_only_who_sees_the_health_sees_the_system(administrator: User, client: Client) -> None:
    User.objects.filter(pk=administrator.pk).update(is_superuser=False)
    administrator.user_permissions.add(Permission.objects.get(codename="view_auditentry"))
    client.force_login(administrator)
    assert "The worker" not in home(client)
    assert urgent(client) == []
    administrator.user_permissions.add(Permission.objects.get(codename="view_channel"))
    assert "The worker has never run." in home(client)


def test_after_the_session_ended_the_workspace_is_told_so(client: Client, db: None) -> None:
    """Its script asks; a redirect would give it the page of the login, and use up the message there."""
    assert client.get(reverse("admin:attention"), headers={"HX-Request": "true"}).status_code == 401
    assert client.get(reverse("admin:attention")).status_code == 302


def test_agents_get_no_answer_about_the_system(client: Client, db: None) -> None:
    client.force_login(make_agent())
    assert client.get(reverse("admin:attention")).status_code == 403
    assert "to-setup" not in html_of(client.get("/inbox/"))

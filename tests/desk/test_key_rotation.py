"""A rotation of DESK_SECRET_KEY ends: afterwards nothing needs the old key, and nothing was lost."""

from collections.abc import Callable, Iterator
from io import StringIO

import pytest
from allauth.mfa.models import Authenticator
from allauth.mfa.recovery_codes.internal.auth import RecoveryCodes
from allauth.mfa.totp.internal.auth import TOTP
from allauth.mfa.utils import decrypt
from django.core import checks
from django.core.management import call_command
from django.db.models import TextField
from django.db.models.functions import Cast
from pytest_django import Settings

from channels_im.models import FacebookAccount, Page, PendingLink
from desk import key_rotation
from tests.factories import make_admin, make_page
from tickets.models import EventSubscription, PushKey, PushSubscription

pytestmark = pytest.mark.django_db
OLD, NEW = "an-old-secret-key-" + "x" * 40, "a-new-secret-key-" + "y" * 40


def forget_keys() -> None:
    """Let the fields derive their keys again: they keep those of the first use."""
    for column in key_rotation.columns():
        for name in ("keys", "f"):
            column.field.__dict__.pop(name, None)


@pytest.fixture
def use_keys(settings: Settings) -> Iterator[Callable[..., None]]:
    def use(key: str, *fallbacks: str) -> None:
        settings.SECRET_KEY, settings.SECRET_KEY_FALLBACKS = key, list(fallbacks)
        forget_keys()

    yield use
    forget_keys()


@pytest.fixture
def stored(use_keys: Callable[..., None]) -> None:
    """One value in each encrypted column, encrypted with the old key."""
    use_keys(OLD)
    make_page(
        page_token="page-token",
        facebook_account=FacebookAccount.objects.create(facebook_user_id="1", name="Anna", user_token="user-token"),
    )
    admin = make_admin()
    PendingLink.objects.create(user=admin, facebook_user_id="1", user_token="pending-token")
    TOTP.activate(admin, "TOTPSECRET")
    RecoveryCodes.activate(admin)
    EventSubscription.objects.create(
        name="CRM", url="https://crm.example/", events=[], secret="now", previous_secret="before"
    )
    PushKey.objects.create(private_key="push-key")
    PushSubscription.objects.create(user=admin, endpoint="https://push.example/1", auth="push-auth")


def values() -> list[str | None]:
    subscription = EventSubscription.objects.get()
    return [
        Page.objects.get().page_token,
        FacebookAccount.objects.get().user_token,
        PendingLink.objects.get().user_token,
        subscription.secret,
        subscription.previous_secret,
    ]


def mfa_secret() -> str:
    """Return the key of the authenticator app as allauth reads it."""
    return decrypt(Authenticator.objects.get(type=Authenticator.Type.TOTP).data["secret"])


def recovery_codes() -> list[str]:
    return Authenticator.objects.get(type=Authenticator.Type.RECOVERY_CODES).wrap().generate_codes()


def reencrypt() -> str:
    out = StringIO()
    call_command("reencrypt", stdout=out)
    return out.getvalue()


def warnings() -> set[str | None]:
    return {each.id for each in checks.run_checks(include_deployment_checks=True) if str(each.id).startswith("desk.W")}


SECRETS = ["page-token", "user-token", "pending-token", "now", "before"]


def test_every_encrypted_column_is_known(stored: None) -> None:
    assert {str(column) for column in key_rotation.columns()} == {
        "channels_im.FacebookAccount.user_token",
        "channels_im.Page.page_token",
        "channels_im.PendingLink.user_token",
        "tickets.EventSubscription.secret",
        "tickets.EventSubscription.previous_secret",
        "tickets.PushKey.private_key",
        "tickets.PushSubscription.auth",
        "mfa.Authenticator.data.secret",
        "mfa.Authenticator.data.seed",
    }
    assert [column.current for column in key_rotation.inspect()] == [1] * 9


@pytest.mark.slow
def test_after_reencrypting_the_old_key_can_be_removed(stored: None, use_keys: Callable[..., None]) -> None:
    use_keys(NEW, OLD)
    codes = recovery_codes()
    assert warnings() == {"desk.W001"}
    said = reencrypt()
    assert "1 encrypted anew" in said
    assert "No stored value needs an old key any more" in said
    assert warnings() == set()
    use_keys(NEW)
    assert values() == SECRETS
    assert mfa_secret() == "TOTPSECRET"
    assert recovery_codes() == codes


def test_the_secrets_of_the_two_step_login_are_not_readable_in_the_database(stored: None) -> None:
    rows = Authenticator.objects.annotate(raw=Cast("data", TextField())).values_list("raw", flat=True)
    assert len(rows) == 2
    assert all("TOTPSECRET" not in raw and "gAAAA" in raw for raw in rows)


def test_a_secret_that_no_key_decrypts_becomes_no_known_secret(stored: None, use_keys: Callable[..., None]) -> None:
    use_keys(NEW)
    assert mfa_secret() != mfa_secret() != ""
    assert recovery_codes() != recovery_codes()


@pytest.mark.slow
def test_without_reencrypting_the_old_key_is_still_needed(stored: None, use_keys: Callable[..., None]) -> None:
    use_keys(NEW)
    assert values() == [None] * 5
    assert warnings() == {"desk.W002"}
    assert "cannot be decrypted needs a key" in reencrypt()
    use_keys(NEW, OLD)
    assert values() == SECRETS  # what could not be decrypted was not touched


@pytest.mark.slow
def test_a_second_run_changes_nothing(stored: None, use_keys: Callable[..., None]) -> None:
    use_keys(NEW, OLD)
    reencrypt()
    raw = list(Page.objects.annotate(raw=Cast("page_token", TextField())).values_list("raw", flat=True))
    assert "1 encrypted anew" not in reencrypt()
    assert list(Page.objects.annotate(raw=Cast("page_token", TextField())).values_list("raw", flat=True)) == raw


def test_a_value_that_changes_meanwhile_is_not_overwritten(stored: None, use_keys: Callable[..., None]) -> None:
    use_keys(NEW, OLD)
    column = next(column for column in key_rotation.columns() if str(column) == "channels_im.Page.page_token")
    [(pk, raw)] = column.stored
    Page.objects.update(page_token="renewed")
    assert column.reencrypt(pk, raw) == 0
    assert Page.objects.get().page_token == "renewed"


@pytest.mark.slow
def test_while_a_process_still_writes_with_the_old_key_it_says_so(
    stored: None, use_keys: Callable[..., None], monkeypatch: pytest.MonkeyPatch
) -> None:
    use_keys(NEW, OLD)
    monkeypatch.setattr(key_rotation.Column, "reencrypt", lambda *_: 0)  # the other process is always a moment faster
    said = reencrypt()
    assert "Restart all processes, then run this again." in said
    assert "No stored value" not in said

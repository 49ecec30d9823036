"""Link Facebook: the login dialog, what is saved afterwards, and every way it can fail."""

from typing import Any

import pytest
from allauth.socialaccount.models import SocialAccount, SocialToken
from django.test import Client
from django.urls import reverse
from pytest_django import Settings

from channels_im.messenger.oauth import REQUIRED_SCOPES
from channels_im.models import Channel, ChannelDraft, FacebookAccount, Page
from channels_im.services.facebook import linking
from desk.models import AuditEntry, Department, User
from tests.channels_im.setup.fake_meta import CALLBACK, GRAPH, TASKS, FakeMeta, error
from tests.channels_im.setup.files import upload
from tests.history import changes
from tests.http import Response
from tests.matching import present
from tests.pages import html_of

ADD = "/admin/instant-messaging/messenger/add/"


def text(response: Response) -> str:
    return html_of(response)


def nothing_is_linked() -> bool:
    models = (FacebookAccount, Page, SocialAccount, SocialToken)
    return not any(model.objects.exists() for model in models)


@pytest.mark.parametrize("channel", ["0", str(2**63), "9" * 5000])
def test_a_channel_that_cannot_exist_is_not_found(setup: Client, channel: str) -> None:
    assert setup.post("/admin/instant-messaging/messenger/link/", {"channel": channel}).status_code == 404


# --- What a login brings
def test_linking_saves_the_account_and_its_pages(setup: Client, meta: FakeMeta, administrator: User) -> None:
    response = meta.log_in(setup, meta.anna)
    account = FacebookAccount.objects.get()
    assert (account.facebook_user_id, account.name, account.linked_by) == ("2001", "Anna Berg", administrator)
    assert present(account.user_token).startswith("long-token")
    assert present(account.expires_at).year == 2096
    assert "pages_messaging" in account.scopes
    assert {(p.page_id, p.name, p.page_token) for p in Page.objects.all()} == {
        ("1001", "Berg Bikes", "page-token-1001"),
        ("1002", "Berg Bakery", "page-token-1002"),
    }
    assert "You have successfully linked your Facebook account: 2 Pages." in text(response)
    assert response.redirect_chain[-1][0] == ADD


def test_linking_makes_nobody_a_user_and_leaves_allauth_no_token(
    setup: Client, meta: FakeMeta, administrator: User
) -> None:
    meta.log_in(setup, meta.anna)
    assert User.objects.count() == 1
    assert SocialAccount.objects.get().user == administrator
    assert not SocialToken.objects.exists()


def test_the_dialog_is_asked_for_every_permission_again(setup: Client, meta: FakeMeta) -> None:
    meta.start(setup)
    assert set(meta.dialog["scope"][0].split(",")) == {
        "pages_show_list",
        "pages_messaging",
        "pages_manage_metadata",
        "pages_read_engagement",
        "business_management",
    }
    assert meta.dialog["auth_type"] == ["rerequest"]
    assert meta.dialog["redirect_uri"] == [f"http://testserver{CALLBACK}"]


def test_a_long_list_of_pages_is_read_to_its_end(setup: Client, meta: FakeMeta) -> None:
    meta.anna.pages = [(str(5000 + number), f"Page {number}", TASKS) for number in range(27)]
    response = meta.log_in(setup, meta.anna)
    assert Page.objects.count() == 27
    assert "27 Pages." in text(response)


def test_pages_missing_from_the_list_are_found_by_the_granular_permissions(setup: Client, meta: FakeMeta) -> None:
    meta.hides_accounts = True
    meta.log_in(setup, meta.anna)
    assert Page.objects.count() == 2


def test_only_ticked_pages_are_saved(setup: Client, meta: FakeMeta) -> None:
    meta.log_in(setup, meta.anna, ["1002"])
    assert Page.objects.get().page_id == "1002"


def test_a_page_without_the_messaging_task_is_greyed(
    setup: Client, meta: FakeMeta, departments: list[Department]
) -> None:
    response = meta.log_in(setup, meta.omar)
    assert "Archive" in text(response)
    assert "message from this Page. Ask a Page admin for Messages access." in text(response)


def test_what_was_typed_survives_the_trip_to_facebook(
    setup: Client, meta: FakeMeta, departments: list[Department]
) -> None:
    typed: dict[str, Any] = {
        "name": "Shop Berlin",
        "department": departments[1].pk,
        "receive_audio_video": "on",
        "icon": upload(),
    }
    page = text(meta.log_in(setup, meta.anna, **typed))
    assert 'value="Shop Berlin"' in page
    assert f'<option value="{departments[1].pk}" selected>' in page
    assert "checked" in page
    assert "Kept: icon.png" in page
    berg = Page.objects.get(page_id="1001")
    setup.post(ADD, {"name": "Shop Berlin", "department": departments[1].pk, "page": berg.pk})
    channel = Channel.objects.get()
    assert channel.name == "Shop Berlin"
    assert channel.icon
    assert not ChannelDraft.objects.exists()


def test_linking_again_renews_the_token_and_doubles_nothing(setup: Client, meta: FakeMeta) -> None:
    meta.log_in(setup, meta.anna)
    before = FacebookAccount.objects.get().user_token
    meta.log_in(setup, meta.anna)
    assert FacebookAccount.objects.get().user_token != before
    assert Page.objects.count() == 2
    assert SocialAccount.objects.count() == 1


def test_a_declined_permission_that_can_be_missed_is_explained(setup: Client, meta: FakeMeta) -> None:
    response = meta.log_in(setup, meta.anna, declined=("business_management",))
    assert Page.objects.count() == 2
    assert "The permission business_management was declined." in text(response)


def test_a_long_lived_token_links_without_a_browser(administrator: User, meta: FakeMeta) -> None:
    result = linking.link_with_long_token(administrator, meta.long_token(meta.anna))
    assert [page.page_id for page in result.pages] == ["1001", "1002"]
    assert result.account.linked_by == administrator


def test_linking_stands_in_the_history(setup: Client, meta: FakeMeta, administrator: User) -> None:
    meta.log_in(setup, meta.anna)
    account, *pages = changes(administrator).filter(action=AuditEntry.Action.LINKED).order_by("pk")
    assert "Linked with 2 Pages." in account.sentence
    assert {(page.object_name, page.sentence) for page in pages} == {
        (page.name, "Taken in with the Facebook account of Anna Berg.") for page in Page.objects.all()
    }
    meta.log_in(setup, meta.anna)
    assert changes(administrator).filter(sentence__startswith="Taken in").count() == 2


# --- What ends badly changes nothing
def test_a_cancelled_login_says_so_and_offers_another_try(setup: Client, meta: FakeMeta) -> None:
    state = meta.start(setup)
    answer = {"error": "access_denied", "error_reason": "user_denied", "state": state}
    response = setup.get(CALLBACK, answer)
    assert "nothing was linked and nothing has been changed" in text(response)
    assert "Link Facebook again" in text(response)
    assert nothing_is_linked()


@pytest.mark.parametrize("state", ["forged", "", None])
def test_a_forged_or_missing_state_is_refused(setup: Client, meta: FakeMeta, state: str | None) -> None:
    meta.start(setup)
    query = {"code": meta.code(meta.anna)} | ({} if state is None else {"state": state})
    response = setup.get(CALLBACK, query)
    assert response.status_code == 400
    assert "does not belong to a login that was started here" in text(response)
    assert nothing_is_linked()
    assert not meta.calls


def test_a_state_works_once(setup: Client, meta: FakeMeta) -> None:
    state = meta.start(setup)
    setup.get(CALLBACK, {"error": "access_denied", "state": state})
    response = setup.get(CALLBACK, {"code": meta.code(meta.anna), "state": state})
    assert response.status_code == 400
    assert nothing_is_linked()


def test_the_state_of_another_browser_is_refused(setup: Client, meta: FakeMeta, client: Client) -> None:
    state = meta.start(setup)
    client.force_login(User.objects.create_superuser("other"))
    response = client.get(CALLBACK, {"code": meta.code(meta.anna), "state": state})
    assert response.status_code == 400
    assert nothing_is_linked()


def test_a_replayed_code_is_refused(setup: Client, meta: FakeMeta) -> None:
    code = meta.code(meta.anna)
    setup.get(CALLBACK, {"code": code, "state": meta.start(setup)})
    before = FacebookAccount.objects.get().user_token
    response = setup.get(CALLBACK, {"code": code, "state": meta.start(setup)})
    assert response.status_code == 400
    assert "did not accept the code" in text(response)
    assert FacebookAccount.objects.get().user_token == before


@pytest.mark.parametrize("path", ["oauth/access_token", "me", "me/permissions", "me/accounts", "debug_token"])
def test_an_error_of_facebook_at_any_step_is_a_sentence_and_changes_nothing(
    setup: Client, meta: FakeMeta, path: str
) -> None:
    meta.broken[path] = (500, error(2))
    response = meta.log_in(setup, meta.anna)
    assert response.status_code == 400
    assert "Back to Add Channel" in text(response)
    assert nothing_is_linked()


@pytest.mark.parametrize("scope", ["pages_show_list", "pages_messaging", "pages_manage_metadata"])
def test_a_declined_permission_that_is_needed_refuses_the_login(setup: Client, meta: FakeMeta, scope: str) -> None:
    response = meta.log_in(setup, meta.anna, declined=(scope,))
    assert f"Facebook did not grant this permission: {scope}" in text(response)
    assert nothing_is_linked()


def test_a_login_without_any_page_is_explained(setup: Client, meta: FakeMeta) -> None:
    response = meta.log_in(setup, meta.anna, pages=[])
    assert "Facebook gave no Page of Anna Berg." in text(response)
    assert nothing_is_linked()


def test_who_ticked_no_page_and_was_asked_for_nothing_reads_of_the_pages(setup: Client, meta: FakeMeta) -> None:
    response = meta.log_in(setup, meta.anna, pages=[], declined=REQUIRED_SCOPES)
    assert "Facebook gave no Page of Anna Berg. Either no Page was ticked" in text(response)
    assert nothing_is_linked()


def test_a_trip_with_nothing_typed_leaves_no_draft_in_add_channel(setup: Client, meta: FakeMeta) -> None:
    page = text(meta.log_in(setup, meta.anna, name="", department=""))
    assert "Your earlier input is shown." not in page


def test_a_missing_app_id_is_a_sentence(setup: Client, settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    from allauth.socialaccount import app_settings

    providers = {"facebook": {**app_settings.PROVIDERS["facebook"], "APPS": []}}
    settings.SOCIALACCOUNT_PROVIDERS = providers
    response = setup.post("/admin/instant-messaging/messenger/link/")
    assert response.status_code == 400
    assert "META_APP_ID" in text(response)


# --- Re-authenticate
@pytest.fixture
def linked(
    setup: Client, meta: FakeMeta, departments: list[Department], administrator: User
) -> tuple[Channel, Channel]:
    """Anna's two Pages linked, each with a channel."""
    from tests.factories import make_channel

    meta.log_in(setup, meta.anna)
    bikes, bakery = Page.objects.order_by("page_id")
    return make_channel(bikes, departments[0], name="Bikes"), make_channel(bakery, departments[1], name="Bakery")


def wait(channel: Channel, reason: str) -> None:
    channel.page.connection, channel.page.reauth_reason = "reauth_required", reason
    channel.page.save()


def test_reauthenticating_heals_the_page_and_subscribes_it_again(
    setup: Client, meta: FakeMeta, linked: tuple[Channel, Channel]
) -> None:
    wait(linked[0], "token_expired")
    response = meta.log_in(setup, meta.anna, channel=linked[0].pk)
    linked[0].page.refresh_from_db()
    assert linked[0].page.is_connected
    assert linked[0].page.subscription_due_at is not None
    assert "Connected again: “Berg Bikes”." in text(response)
    assert response.redirect_chain[-1][0] == reverse("setup:messenger_edit", args=[linked[0].pk])


def test_every_login_checks_all_pages_of_the_account(
    setup: Client, meta: FakeMeta, linked: tuple[Channel, Channel]
) -> None:
    for channel in linked:
        wait(channel, "password_changed")
    meta.log_in(setup, meta.anna, channel=linked[0].pk)
    assert not Page.objects.filter(connection="reauth_required").exists()


def test_after_the_app_was_removed_the_same_facebook_account_is_demanded(
    setup: Client, meta: FakeMeta, linked: tuple[Channel, Channel]
) -> None:
    wait(linked[0], "app_removed")
    meta.omar.pages.append(("1001", "Berg Bikes", TASKS))
    response = meta.log_in(setup, meta.omar, channel=linked[0].pk)
    assert response.status_code == 400
    assert "must be linked again with the same Facebook account, and you logged in as Omar Haddad" in text(response)
    linked[0].page.refresh_from_db()
    assert linked[0].page.reauth_reason == "app_removed"
    assert FacebookAccount.objects.count() == 1


def test_another_login_does_not_take_over_the_page_of_a_removed_app(
    setup: Client, meta: FakeMeta, linked: tuple[Channel, Channel]
) -> None:
    wait(linked[0], "app_removed")
    meta.omar.pages.append(("1001", "Berg Bikes", TASKS))
    meta.log_in(setup, meta.omar)
    linked[0].page.refresh_from_db()
    assert present(linked[0].page.facebook_account).name == "Anna Berg"
    assert not linked[0].page.is_connected


def test_an_account_without_the_page_is_refused_with_the_name_of_the_right_one(
    setup: Client, meta: FakeMeta, linked: tuple[Channel, Channel]
) -> None:
    wait(linked[0], "permission_revoked")
    response = meta.log_in(setup, meta.omar, channel=linked[0].pk)
    assert "is not among the Pages that Omar Haddad gave" in text(response)
    assert "Anna Berg" in text(response)
    assert FacebookAccount.objects.count() == 1


def test_another_admin_of_the_page_heals_a_lost_role(
    setup: Client, meta: FakeMeta, linked: tuple[Channel, Channel]
) -> None:
    wait(linked[0], "role_lost")
    meta.omar.pages.append(("1001", "Berg Bikes", TASKS))
    meta.log_in(setup, meta.omar, channel=linked[0].pk)
    linked[0].page.refresh_from_db()
    assert linked[0].page.is_connected
    assert present(linked[0].page.facebook_account).name == "Omar Haddad"


def test_a_page_that_works_for_a_channel_stays_with_its_account(
    setup: Client, meta: FakeMeta, linked: tuple[Channel, Channel]
) -> None:
    meta.omar.pages.append(("1001", "Berg Bikes", TASKS))
    response = meta.log_in(setup, meta.omar)
    linked[0].page.refresh_from_db()
    assert present(linked[0].page.facebook_account).name == "Anna Berg"
    assert "Still with their other Facebook account: “Berg Bikes”." in text(response)


def test_a_page_ungranted_while_it_waited_is_still_named(
    setup: Client, meta: FakeMeta, linked: tuple[Channel, Channel]
) -> None:
    wait(linked[0], "page_deselected")
    response = meta.log_in(setup, meta.anna, ["1002"], channel=linked[0].pk)
    assert "so still to be re-authenticated" in text(response)
    linked[0].page.refresh_from_db()
    assert linked[0].page.reauth_reason == "page_deselected"


def test_the_edit_page_says_why_and_what_to_do(setup: Client, linked: tuple[Channel, Channel]) -> None:
    wait(linked[0], "app_removed")
    page = text(setup.get(reverse("setup:messenger_edit", args=[linked[0].pk])))
    assert "The app was removed in the Facebook settings." in page
    assert "Re-authenticate with the same Facebook account." in page


# --- Tokens stay where they are
def test_no_token_or_secret_is_in_a_page_or_the_log(
    setup: Client,
    meta: FakeMeta,
    linked: tuple[Channel, Channel],
    caplog: pytest.LogCaptureFixture,
    settings: Settings,
    client: Client,
) -> None:
    caplog.set_level("DEBUG")
    meta.log_in(setup, meta.anna, channel=linked[0].pk)
    meta.broken["me"] = (500, error(2))
    failed = text(meta.log_in(setup, meta.anna))
    urls = ["/admin/", ADD, "/admin/instant-messaging/messenger/", "/admin/instant-messaging/health/"]
    urls += [reverse("setup:messenger_edit", args=[channel.pk]) for channel in linked]
    shown = failed + "".join(text(setup.get(url)) for url in urls) + caplog.text
    for secret in ("page-token-", "long-token-", "short-token-", "-secret", settings.META_APP_SECRET):
        assert secret not in shown


def test_tokens_are_encrypted_in_the_database(setup: Client, meta: FakeMeta) -> None:
    from django.db import connection

    meta.log_in(setup, meta.anna)
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT page_token FROM channels_im_page UNION SELECT user_token FROM channels_im_facebookaccount"
        )
        stored = [row[0] for row in cursor.fetchall()]
    assert len(stored) == 3
    assert not any("token" in value for value in stored)


def test_graph_is_called_at_the_configured_address(setup: Client, meta: FakeMeta) -> None:
    meta.log_in(setup, meta.anna)
    assert GRAPH.startswith("https://graph.facebook.com/")
    assert ("GET", "me/accounts") in meta.calls

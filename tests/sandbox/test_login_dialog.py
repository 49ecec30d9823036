"""Facebook Login: the dialog, and the code that it returns."""

import pytest

from tests.sandbox.graph import SCOPE, Person, answer_of, call, exchange, lengthen, refusal, ticked
from tests.sandbox.process import BERG_BAKERY, BERG_BIKES, SandboxProcess

pytestmark = pytest.mark.processes
BOTH = [BERG_BIKES, BERG_BAKERY]


def page_tokens(sandbox: SandboxProcess, code: str) -> dict[str, str]:
    """Return page id -> token, after the exchange to a long-lived user token."""
    user = lengthen(sandbox.url, exchange(sandbox.url, code).json()["access_token"]).json()["access_token"]
    return {row["id"]: row["access_token"] for row in call(sandbox.url, "GET", "me/accounts", user).json()["data"]}


def test_a_login_gives_a_code_that_becomes_a_short_token_and_then_one_of_sixty_days(sandbox: SandboxProcess) -> None:
    short = exchange(sandbox.url, Person(sandbox.url).link("anna", BOTH)).json()
    assert short["token_type"] == "bearer"
    assert 3000 < short["expires_in"] < 8000
    long = lengthen(sandbox.url, short["access_token"]).json()
    assert 59 * 86400 < long["expires_in"] <= 60 * 86400
    assert call(sandbox.url, "GET", "me", long["access_token"]).json() == {
        "id": "2000000000000001",
        "name": "Anna Berg",
    }


def test_the_state_comes_back_with_the_code(sandbox: SandboxProcess) -> None:
    person = Person(sandbox.url)
    person.open(state="tenant 7 & more")
    person.log_in("anna")
    assert answer_of(person.step("done", BOTH, []))["state"] == "tenant 7 & more"


def test_the_login_page_lists_everybody_with_the_password_and_says_that_it_is_no_facebook(
    sandbox: SandboxProcess,
) -> None:
    page = Person(sandbox.url).open().text
    assert "Sandbox, not Facebook" in page
    for name in ("anna", "omar", "mia"):
        assert f"{name}@example.com" in page
        assert f"password <code>{name}</code>" in page


def test_a_wrong_password_lets_nobody_in(sandbox: SandboxProcess) -> None:
    person = Person(sandbox.url)
    person.open()
    assert person.log_in("anna", "omar").status_code == 401
    assert "Log in to continue" in person.open().text


def test_cancel_comes_back_with_access_denied(sandbox: SandboxProcess) -> None:
    person = Person(sandbox.url)
    person.open()
    person.log_in("anna")
    answer = answer_of(person.step("cancel"))
    assert answer["error"] == "access_denied"
    assert answer["error_reason"] == "user_denied"
    assert answer["error_description"]
    assert answer["state"] == "nonce-1"
    assert "code" not in answer


@pytest.mark.parametrize(
    "changes",
    [
        {"client_id": "1"},
        {"redirect_uri": "http://localhost:8000/accounts/facebook/login/callback"},
        {"redirect_uri": "https://evil.example/"},
        {"state": None},
        {"scope": "pages_everything"},
        {"response_type": "token"},
        {"config_id": "12"},
    ],
)
def test_a_request_that_is_wrong_is_shown_as_a_page_and_never_redirected(
    sandbox: SandboxProcess, changes: dict[str, str | None]
) -> None:
    person = Person(sandbox.url)
    page = person.open(**changes)
    assert page.status_code == 400
    assert not page.history


def test_the_redirect_after_login_stays_on_the_sandbox(sandbox: SandboxProcess) -> None:
    person = Person(sandbox.url)
    for goal in ("//evil.example/", "https://evil.example/", "/\\evil.example"):
        fields = {"email": "anna@example.com", "pass": "anna", "next": goal}
        answer = person.browser.post(f"{sandbox.url}/login", data=fields, allow_redirects=False, timeout=10)
        assert answer.headers["Location"] == "/"


def test_a_code_works_once(sandbox: SandboxProcess) -> None:
    code = Person(sandbox.url).link("anna", BOTH)
    assert exchange(sandbox.url, code).ok
    assert refusal(exchange(sandbox.url, code)) == (100, 36009)


def test_a_code_works_only_with_its_own_redirect_uri(sandbox: SandboxProcess) -> None:
    code = Person(sandbox.url).link("anna", BOTH)
    other = "http://127.0.0.1:8000/accounts/facebook/login/callback/"
    assert refusal(exchange(sandbox.url, code, redirect_uri=other)) == (100, 36008)


def test_a_code_ends_after_its_life(sandbox: SandboxProcess) -> None:
    code = Person(sandbox.url).link("anna", BOTH)
    sandbox.configure(clock_offset_s=601)
    assert refusal(exchange(sandbox.url, code)) == (100, 36007)


def test_a_wrong_client_secret_gets_nothing(sandbox: SandboxProcess) -> None:
    code = Person(sandbox.url).link("anna", BOTH)
    assert refusal(exchange(sandbox.url, code, client_secret="guessed"))[0] == 1
    assert exchange(sandbox.url, code).ok


def test_on_the_first_login_no_page_is_ticked_and_later_the_former_choice_is(sandbox: SandboxProcess) -> None:
    person = Person(sandbox.url)
    person.open()
    person.log_in("anna")
    assert ticked(person.step("continue")) == []
    person.step("done", [BERG_BIKES], SCOPE.split(","))
    assert ticked(person.step("continue")) == [BERG_BIKES]


def test_a_permission_switched_off_is_declined(sandbox: SandboxProcess) -> None:
    code = Person(sandbox.url).link("anna", BOTH, scopes="pages_show_list,pages_messaging")
    user = exchange(sandbox.url, code).json()["access_token"]
    rows = call(sandbox.url, "GET", "me/permissions", user).json()["data"]
    status = {row["permission"]: row["status"] for row in rows}
    assert status["pages_messaging"] == "granted"
    assert status["pages_manage_metadata"] == "declined"
    assert status["public_profile"] == "granted"


def test_a_declined_permission_is_asked_for_again_only_with_rerequest(sandbox: SandboxProcess) -> None:
    person = Person(sandbox.url)
    person.link("anna", BOTH, scopes="pages_show_list")
    person.open()
    assert 'value="pages_messaging"' not in person.step("permissions", BOTH).text
    person.open(auth_type="rerequest")
    assert 'value="pages_messaging"' in person.step("permissions", BOTH).text


def test_reauthenticate_asks_for_the_password_although_the_person_is_logged_in(sandbox: SandboxProcess) -> None:
    person = Person(sandbox.url)
    person.open()
    person.log_in("anna")
    sandbox.configure(clock_offset_s=120)
    assert "Log in to continue" in person.open(auth_type="reauthenticate").text
    assert "Continue as Anna" in person.log_in("anna").text


def test_a_login_configuration_grants_all_or_nothing(sandbox: SandboxProcess) -> None:
    person = Person(sandbox.url)
    person.open(scope=None, config_id="300000000000001")
    person.log_in("anna")
    code = answer_of(person.step("done", BOTH, []))["code"]
    user = exchange(sandbox.url, code).json()["access_token"]
    rows = call(sandbox.url, "GET", "me/permissions", user).json()["data"]
    assert {row["status"] for row in rows} == {"granted"}
    assert "pages_messaging" in {row["permission"] for row in rows}


def test_unticking_a_page_kills_its_token_and_spares_the_other(sandbox: SandboxProcess) -> None:
    person = Person(sandbox.url)
    tokens = page_tokens(sandbox, person.link("anna", BOTH))
    person.link("anna", [BERG_BAKERY])
    assert refusal(call(sandbox.url, "GET", "me", tokens[BERG_BIKES])) == (190, None)
    assert call(sandbox.url, "GET", "me", tokens[BERG_BAKERY]).ok


def test_ticking_a_page_again_gives_a_new_token_and_leaves_the_old_one_dead(sandbox: SandboxProcess) -> None:
    person = Person(sandbox.url)
    old = page_tokens(sandbox, person.link("anna", BOTH))[BERG_BIKES]
    person.link("anna", [BERG_BAKERY])
    new = page_tokens(sandbox, person.link("anna", BOTH))[BERG_BIKES]
    assert call(sandbox.url, "GET", "me", new).ok
    assert refusal(call(sandbox.url, "GET", "me", old)) == (190, None)


def test_reconnect_keeps_the_pages_and_permissions_of_before(sandbox: SandboxProcess) -> None:
    person = Person(sandbox.url)
    person.link("anna", [BERG_BIKES])
    person.open()
    tokens = page_tokens(sandbox, answer_of(person.step("reconnect"))["code"])
    assert list(tokens) == [BERG_BIKES]


def test_a_page_of_somebody_else_posted_by_hand_is_not_granted(sandbox: SandboxProcess) -> None:
    tokens = page_tokens(sandbox, Person(sandbox.url).link("anna", [BERG_BIKES, "101000000000003"]))
    assert list(tokens) == [BERG_BIKES]


def test_a_person_at_a_checkpoint_cannot_pass_the_dialog(sandbox: SandboxProcess) -> None:
    sandbox.act("checkpoint", person="anna")
    person = Person(sandbox.url)
    person.open()
    assert person.log_in("anna").status_code == 403

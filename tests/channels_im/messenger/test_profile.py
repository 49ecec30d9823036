from typing import Any

import pytest
import responses

from channels_im.messenger.errors import GraphError
from channels_im.messenger.profile import Profile, fetch_profile
from tests.calls import params_of

URL = "https://graph.facebook.com/v27.0/7001"
PICTURE = "https://platform-lookaside.fbsbx.com/platform/profilepic/?psid=7001"


@pytest.mark.parametrize(
    ("answer", "wanted"),
    [
        ({"name": "Ada L.", "first_name": "Ada", "last_name": "Lovelace", "profile_pic": PICTURE}, ("Ada L.", PICTURE)),
        ({"first_name": "Ada", "last_name": "Lovelace"}, ("Ada Lovelace", None)),
        ({"first_name": "Ada"}, ("Ada", None)),
        ({"name": "Ada"}, ("Ada", None)),
        ({"name": "", "profile_pic": PICTURE}, (None, PICTURE)),
        ({"name": "Ada", "profile_pic": "javascript:alert(1)"}, ("Ada", None)),
        ({"name": "\u3164 \u200b", "first_name": "Ada"}, ("Ada", None)),
        ({"name": "\u2800", "profile_pic": PICTURE}, (None, PICTURE)),
        ({"name": "A\u202eda"}, ("Ada", None)),
        ({"name": {"a": 1}, "first_name": 5, "profile_pic": []}, ("5", None)),
    ],
)
def test_a_profile_is_what_meta_gives_of_it(graph: responses.RequestsMock, answer: Any, wanted: Any) -> None:
    graph.get(URL, json=answer)
    found = fetch_profile("7001", "tok")
    assert (found.name, found.picture_url, found.reason) == (*wanted, None)
    assert params_of(graph.calls[0].request)["fields"] == "name,first_name,last_name,profile_pic"


def test_an_app_without_profile_access_gets_an_empty_profile(graph: responses.RequestsMock) -> None:
    graph.get(URL, json={})
    found = fetch_profile("7001", "tok")
    assert (found.name, found.picture_url) == (None, None)
    assert found.reason


@pytest.mark.parametrize(
    ("code", "subcode"), [(100, 2018218), (2018218, None), (10, 2018247), (100, 33), (10, None), (200, None)]
)
def test_a_refused_profile_is_empty_with_a_reason(
    graph: responses.RequestsMock, code: int, subcode: int | None
) -> None:
    graph.get(URL, json={"error": {"code": code, "error_subcode": subcode}}, status=400)
    found = fetch_profile("7001", "tok")
    assert found == Profile(None, None, found.reason)
    assert str(subcode or code) in (found.reason or "")


@pytest.mark.parametrize(("code", "status"), [(190, 400), (102, 400), (4, 400), (2, 400), (80006, 400), (1, 500)])
def test_what_concerns_more_than_this_person_is_raised(graph: responses.RequestsMock, code: int, status: int) -> None:
    graph.get(URL, json={"error": {"code": code}}, status=status)
    with pytest.raises(GraphError):
        fetch_profile("7001", "tok")

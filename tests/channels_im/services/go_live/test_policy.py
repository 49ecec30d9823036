"""The text of the privacy policy to begin with, and its gap, in the language of the administrator."""

import pytest

from channels_im.services.go_live import policy
from desk.errors import Refused
from tests.factories import make_admin


def test_the_english_beginning_is_the_text_itself() -> None:
    assert policy.beginning() == policy.BEGINNING


@pytest.mark.django_db
def test_a_gap_in_another_language_is_refused_too(monkeypatch: pytest.MonkeyPatch) -> None:
    def say(text: str) -> str:
        return text.replace(policy.COMPANY_GAP, "[Name und Anschrift]")

    monkeypatch.setattr(policy, "gettext", say)
    monkeypatch.setattr(policy, "translated", say)
    beginning = policy.beginning()
    assert "[Name und Anschrift] runs this help desk" in beginning
    with pytest.raises(Refused, match="Replace") as refused:
        policy.save(make_admin(), contact="privacy@example.com", text=beginning)
    assert refused.value.field == "text"

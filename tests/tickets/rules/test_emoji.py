"""What counts as one emoji."""

import pytest

from tickets.rules.emoji import is_emoji


@pytest.mark.parametrize(
    "text",
    [
        "❤",
        "❤️",
        "👍",
        "👍🏽",
        "😂",
        "🎉",
        "🇩🇪",
        "1️⃣",
        "👨‍👩‍👧‍👦",
        "👩🏽‍❤️‍💋‍👨🏿",
        "🏴\U000e0067\U000e0062\U000e0065\U000e006e\U000e0067\U000e007f",
        "✅",
        "‼️",
        "☎️",
    ],
)
def test_an_emoji_is_one(text: str) -> None:
    assert is_emoji(text)


@pytest.mark.parametrize(
    "text",
    [
        "",
        " ",
        "a",
        "love",
        "1",
        "👍👍",
        "👍 ",
        "❤x",
        "<b>",
        "\u200d",
        "👍\u200d",
        "🇩",
        "🇩🇪🇩",
        "é",
        "1\u20e3x",
        "👍" + "🏽" * 20,
        "\x00",
    ],
)
def test_anything_else_is_none(text: str) -> None:
    assert not is_emoji(text)

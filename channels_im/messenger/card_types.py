"""The card: a box in the conversation for something that is neither text nor a file. Pure; plain text only."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Choice:
    """A button or quick reply of a card. `payload` is what a tap on it sends back; `url` is what it opens."""

    title: str
    url: str | None = None
    payload: str | None = None


@dataclass(frozen=True)
class Card:
    """A box in the conversation. All plain text; `url` is http(s), shown as a link and never fetched.

    `picture_url` is the address of a picture that belongs to the card. `payload` is set on the card of a tap: what the
    tapped button or quick reply sent.
    """

    kind: str
    title: str
    text: str = ""
    url: str | None = None
    picture_url: str | None = None
    choices: tuple[Choice, ...] = ()
    payload: str | None = None


def lines(*texts: str | None) -> str:
    """Return the texts that are not empty, each on a line of its own."""
    return "\n".join(text for text in texts if text)

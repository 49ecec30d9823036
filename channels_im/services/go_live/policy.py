"""The privacy policy that Desk publishes at /privacy/: the text to begin with, how it is saved, and its parts."""

from collections.abc import Callable
from dataclasses import dataclass
from email.utils import parseaddr

from django.conf import settings
from django.db import transaction
from django.utils import timezone
from django.utils.translation import gettext

from channels_im.models import PrivacyPolicy
from desk import audit_log
from desk.errors import Refused
from desk.languages import translated
from desk.models import User
from desk.sentences import sentence

ROW = 1  # the primary key of the one row
MAX_CHARACTERS = 50_000
MAX_CONTACT_CHARACTERS = 200
CONTACT = "{contact}"
COMPANY_GAP = sentence("[name and postal address of your company]")

# Headings and paragraphs of the text to begin with.
_PARTS = (
    (
        sentence("Who we are"),
        sentence(
            "%(company)s runs this help desk and is responsible for the data in it. Questions about your data: "
            "%(contact)s"
        ),
    ),
    (
        sentence("What we store when you write to our Facebook Page"),
        sentence(
            "When you write to us in Messenger, Facebook sends us your message, the files in it, the time, and the "
            "number by which Facebook knows you on our Page. With Facebook's permission we also store the name and the "
            "picture of your Facebook profile. We store our replies, and whether they were delivered and read."
        ),
    ),
    (
        sentence("What we use it for"),
        sentence(
            "Our staff read your messages to answer you, and only staff who need them for this can see them. We do not "
            "sell them, do not use them for advertising, and do not give them to others, except where a law demands it."
        ),
    ),
    (
        sentence("Where it is stored, and how long"),
        sentence(
            "The data are on servers that we run ourselves or rent. They are kept as long as we need them to answer "
            "you and to prove what was agreed, or until you ask for their deletion."
        ),
    ),
    (
        sentence("When you link your Facebook account"),
        sentence(
            "Staff who connect a Facebook Page log in to Facebook for it. We store their name, the number by which "
            "Facebook knows them in our app, and access tokens, encrypted, to receive and send the messages of the "
            "Page."
        ),
    ),
    (
        sentence("Your rights, and how to have your data deleted"),
        sentence(
            "You can ask us what we have stored about you, and have it corrected or deleted: write to %(contact)s, or "
            "write to our Page in Messenger. Staff who linked their Facebook account can remove our app in their "
            "Facebook settings, under Apps and websites, and ask for the deletion of their data there."
        ),
    ),
)


def _written(say: Callable[[str], str]) -> str:
    values = {"company": say(COMPANY_GAP), "contact": CONTACT}
    return "\n\n".join(f"# {say(title)}\n\n{say(text) % values}" for title, text in _PARTS) + "\n"


BEGINNING = _written(str)


def beginning() -> str:
    """Return the text to begin with, in the active language."""
    return _written(gettext)


@dataclass(frozen=True)
class Block:
    """A heading or a paragraph of the policy. The text is plain; line breaks in it are meant."""

    text: str
    is_heading: bool = False


def get() -> PrivacyPolicy | None:
    """Return the published policy, or None."""
    return PrivacyPolicy.objects.filter(pk=ROW).first()


def contact_from_settings() -> str:
    """Return the address from which Desk sends e-mail, or "" when it is none that people can write to."""
    address = parseaddr(settings.DEFAULT_FROM_EMAIL)[1]
    return "" if address.endswith("@localhost") else address


def save(user: User, *, contact: str, text: str) -> PrivacyPolicy:
    """Publish the policy. Raises Refused, with the field at fault."""
    contact, text = contact.strip(), text.replace("\r\n", "\n").strip()
    if not contact:
        raise Refused(sentence("Say whom people can ask about their data."), field="contact")
    if len(contact) > MAX_CONTACT_CHARACTERS:
        raise Refused(sentence("At most %(most)s characters.", most=MAX_CONTACT_CHARACTERS), field="contact")
    if not text:
        raise Refused(sentence("Write the privacy policy."), field="text")
    if len(text) > MAX_CHARACTERS:
        raise Refused(sentence("At most %(most)s characters.", most=f"{MAX_CHARACTERS:,}"), field="text")
    if COMPANY_GAP in text or translated(COMPANY_GAP) in text:
        raise Refused(sentence("Replace “%(gap_text)s” by your own.", gap_text=COMPANY_GAP), field="text")
    with transaction.atomic():
        values = {"contact": contact, "text": text, "changed_at": timezone.now()}
        policy, is_new = PrivacyPolicy.objects.update_or_create(pk=ROW, defaults=values)
        if is_new:
            audit_log.record(user, policy, audit_log.ADDITION, sentence("Privacy policy published."))
        else:
            audit_log.record(user, policy, audit_log.CHANGE, sentence("Privacy policy changed."))
    return policy


def blocks(text: str, contact: str) -> list[Block]:
    """Return the parts of a policy: a line that begins with "# " is a heading, empty lines divide paragraphs."""
    found: list[Block] = []
    lines: list[str] = []

    def end_paragraph() -> None:
        if lines:
            found.append(Block("\n".join(lines).replace(CONTACT, contact)))
            lines.clear()

    for line in map(str.strip, [*text.split("\n"), ""]):
        if line.startswith("# "):
            end_paragraph()
            found.append(Block(line[2:].strip().replace(CONTACT, contact), is_heading=True))
        elif line:
            lines.append(line)
        else:
            end_paragraph()
    return found

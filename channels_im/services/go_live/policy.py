"""The privacy policy that Desk publishes at /privacy/: the text to begin with, how it is saved, and its parts."""

from dataclasses import dataclass
from email.utils import parseaddr

from django.conf import settings
from django.db import transaction
from django.utils import timezone

from channels_im.models import PrivacyPolicy
from desk import audit_log
from desk.errors import Refused
from desk.models import User

ROW = 1  # the primary key of the one row
MAX_CHARACTERS = 50_000
MAX_CONTACT_CHARACTERS = 200
CONTACT = "{contact}"
COMPANY_GAP = "[name and postal address of your company]"

BEGINNING = f"""# Who we are

{COMPANY_GAP} runs this help desk and is responsible for the data in it. Questions about your data: {CONTACT}

# What we store when you write to our Facebook Page

When you write to us in Messenger, Facebook sends us your message, the files in it, the time, and the number by \
which Facebook knows you on our Page. With Facebook's permission we also store the name and the picture of your \
Facebook profile. We store our replies, and whether they were delivered and read.

# What we use it for

Our staff read your messages to answer you, and only staff who need them for this can see them. We do not sell \
them, do not use them for advertising, and do not give them to others, except where a law demands it.

# Where it is stored, and how long

The data are on servers that we run ourselves or rent. They are kept as long as we need them to answer you and \
to prove what was agreed, or until you ask for their deletion.

# When you link your Facebook account

Staff who connect a Facebook Page log in to Facebook for it. We store their name, the number by which Facebook \
knows them in our app, and access tokens, encrypted, to receive and send the messages of the Page.

# Your rights, and how to have your data deleted

You can ask us what we have stored about you, and have it corrected or deleted: write to {CONTACT}, or write to \
our Page in Messenger. Staff who linked their Facebook account can remove our app in their Facebook settings, \
under Apps and websites, and ask for the deletion of their data there.
"""


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
        raise Refused("Say whom people can ask about their data.", field="contact")
    if len(contact) > MAX_CONTACT_CHARACTERS:
        raise Refused(f"At most {MAX_CONTACT_CHARACTERS} characters.", field="contact")
    if not text:
        raise Refused("Write the privacy policy.", field="text")
    if len(text) > MAX_CHARACTERS:
        raise Refused(f"At most {MAX_CHARACTERS:,} characters.", field="text")
    if COMPANY_GAP in text:
        raise Refused(f"Replace “{COMPANY_GAP}” by your own.", field="text")
    with transaction.atomic():
        values = {"contact": contact, "text": text, "changed_at": timezone.now()}
        policy, is_new = PrivacyPolicy.objects.update_or_create(pk=ROW, defaults=values)
        action, word = (audit_log.ADDITION, "published") if is_new else (audit_log.CHANGE, "changed")
        audit_log.record(user, policy, action, f"Privacy policy {word}.")
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

"""The one channel that is connected from the start, linked and created as an administrator would do it."""

import io

from django.core.files.base import ContentFile
from django.db import transaction
from PIL import Image, ImageDraw

from channels_im.models import Channel, ChannelAgent, Page
from channels_im.services.channels import ChannelError, create_channel
from channels_im.services.facebook.grants import LinkError
from channels_im.services.facebook.linking import link_with_long_token
from desk.models import User
from tickets.demo import people
from tickets.demo.people import PAGE_ID
from tickets.demo.sandbox import Sandbox, SandboxError

PERSON = "anna"  # Anna Berg, whose Pages are Berg Bikes and Berg Bakery


class SkippedError(Exception):
    """A part of the demo data is left out, because of what people changed; the text is a sentence."""


def create_demo_channel(sandbox: Sandbox) -> Channel:
    """Link Anna Berg's Pages and create the channel of Berg Bikes, or return it, also when it was deleted.

    Raises SkippedError.
    """
    if existing := Channel.objects.filter(page__page_id=PAGE_ID).order_by("pk").last():
        return existing
    admin = _administrator()
    if not Page.objects.filter(page_id=PAGE_ID).exists():
        _link(sandbox, admin)
    page = Page.objects.filter(page_id=PAGE_ID).first()
    if page is None:
        raise SkippedError("The sandbox has no Page Berg Bikes for Anna Berg. Link another Page in Setup.")
    try:
        with transaction.atomic():
            channel = create_channel(
                admin,
                name="Berg Bikes",
                icon=ContentFile(draw_icon(), name="berg-bikes.png"),
                page=page,
                department=people.department(),
            )
            for agent in people.agents():
                agent.departments.add(channel.department)
                ChannelAgent.objects.create(channel=channel, agent=agent)
    except ChannelError as error:
        raise SkippedError(f"The channel of Berg Bikes could not be created. {error}") from error
    return channel


def link_again(sandbox: Sandbox) -> bool:
    """Link Anna Berg's Pages again when the sandbox was started afresh and does not know their tokens any more.

    Returns whether it did. What a person disconnected in the sandbox stays so: there Anna Berg has logged in. Raises
    SkippedError.
    """
    page = Page.objects.filter(page_id=PAGE_ID).select_related("facebook_account__linked_by").first()
    if page is None or page.facebook_account is None or sandbox.has_logged_in(PERSON):
        return False
    _link(sandbox, page.facebook_account.linked_by or _administrator())
    return True


def notes_about(channel: Channel) -> list[str]:
    """Return sentences about why the demo's channel does not work, as far as people caused it."""
    if channel.is_deleted:
        return [f"The channel {channel.name} was deleted. Create another one in Setup → Instant Messaging."]
    notes = []
    if not channel.is_active:
        notes.append(f"The channel {channel.name} is deactivated. Activate it in Setup → Instant Messaging.")
    if not channel.page.is_connected:
        notes.append(f"The Page {channel.page} is disconnected. Re-authenticate it in Setup → Instant Messaging.")
    return notes


def _administrator() -> User:
    admin = people.administrator()
    if admin is None:
        raise SkippedError("There is no active superuser, so no Page is linked. Create one: manage.py createsuperuser")
    return admin


def _link(sandbox: Sandbox, admin: User) -> None:
    try:
        link_with_long_token(admin, sandbox.user_token(PERSON))
    except (LinkError, SandboxError) as error:
        raise SkippedError(f"Anna Berg's Pages could not be linked. {error}") from error


def link_person(sandbox: Sandbox, person: str, admin: User) -> None:
    """Link the Pages of another person of the sandbox. Raises SkippedError."""
    try:
        link_with_long_token(admin, sandbox.user_token(person))
    except (LinkError, SandboxError) as error:
        raise SkippedError(f"The Pages of {person} could not be linked. {error}") from error


def draw_icon(color: str = "#0f766e") -> bytes:
    """Return a PNG of 256 x 256 pixels: a mountain and two wheels, before `color`."""
    scale = 4
    image = Image.new("RGB", (256 * scale, 256 * scale), color)
    pen = ImageDraw.Draw(image)

    def at(*coordinates: int) -> list[int]:
        return [coordinate * scale for coordinate in coordinates]

    pen.polygon(at(20, 190, 96, 66, 136, 128, 164, 92, 236, 190), fill="#115e59")
    pen.polygon(at(96, 66, 74, 102, 92, 96, 104, 106, 119, 101), fill="#ccfbf1")
    for left in (44, 144):
        pen.ellipse(at(left, 138, left + 68, 206), outline="#f0fdfa", width=9 * scale)
    frame = at(78, 172, 110, 126, 158, 126, 126, 172, 78, 172)
    pen.line(frame, fill="#5eead4", width=8 * scale, joint="curve")
    pen.line(at(104, 114, 126, 172), fill="#5eead4", width=8 * scale)
    pen.line(at(178, 172, 154, 110, 170, 104), fill="#5eead4", width=8 * scale, joint="curve")
    pen.line(at(92, 114, 116, 114), fill="#f0fdfa", width=8 * scale)
    picture = io.BytesIO()
    image.resize((256, 256), Image.Resampling.LANCZOS).save(picture, "PNG")
    return picture.getvalue()

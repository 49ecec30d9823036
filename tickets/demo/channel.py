"""The one channel that is connected from the start, linked and created as an administrator would do it."""

import io

from django.core.files.base import ContentFile
from PIL import Image, ImageDraw

from channels_im.models import Channel, ChannelAgent, Page
from channels_im.services.channels import create_channel
from channels_im.services.facebook.linking import link_with_long_token
from desk.models import Agent, Department, User
from tickets.demo.people import ADMIN, AGENTS, CARE
from tickets.demo.sandbox import Sandbox

PERSON, PAGE_ID = "anna", "101000000000001"  # Anna Berg, Berg Bikes


def create_demo_channel(sandbox: Sandbox) -> Channel:
    """Link Anna Berg's Pages and create the channel of Berg Bikes, or return it, even when it was deleted."""
    if existing := Channel.objects.filter(page__page_id=PAGE_ID).order_by("pk").last():
        return existing
    admin = User.objects.get(username=ADMIN[0])
    if not Page.objects.filter(page_id=PAGE_ID).exists():
        link_with_long_token(admin, sandbox.user_token(PERSON))
    channel = create_channel(
        admin,
        name="Berg Bikes",
        icon=ContentFile(draw_icon(), name="berg-bikes.png"),
        page=Page.objects.get(page_id=PAGE_ID),
        department=Department.objects.get(name=CARE),
    )
    for agent in Agent.objects.filter(user__username__in=[agent[0] for agent in AGENTS]):
        ChannelAgent.objects.create(channel=channel, agent=agent)
    return channel


def draw_icon() -> bytes:
    """Return a PNG of 256 x 256 pixels: a mountain and two wheels."""
    scale = 4
    image = Image.new("RGB", (256 * scale, 256 * scale), "#0f766e")
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

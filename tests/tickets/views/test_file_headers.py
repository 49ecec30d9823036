"""Files may not be read by other sites, and nothing about them is left to the browser's guess."""

from collections.abc import Callable
from types import SimpleNamespace

import pytest
from django.core.files.base import ContentFile
from django.test import Client

from desk.models import User
from tests.factories import png

from . import world


@pytest.mark.parametrize("kind", ["attachment", "picture", "page", "icon"])
def test_other_sites_cannot_embed_a_file(desk: SimpleNamespace, as_user: Callable[[User], Client], kind: str) -> None:
    conversation = world.make_conversation(desk.shop)
    contact, page = conversation.contact, desk.shop.page
    contact.picture.save("face.png", ContentFile(png()))
    page.picture.save("page.png", ContentFile(png()))
    desk.shop.icon.save("icon.png", ContentFile(png()))
    attachment = world.attach(world.say(conversation, ""), "photo.png", png())
    paths = {
        "attachment": f"/inbox/{conversation.pk}/files/{attachment.pk}/",
        "picture": f"/inbox/{conversation.pk}/picture/",
        "page": f"/inbox/pages/{page.pk}/picture/",
        "icon": f"/inbox/channels/{desk.shop.pk}/icon/",
    }
    response = as_user(desk.alice).get(paths[kind])
    assert response.status_code == 200, paths[kind]
    list(response)
    response.close()
    assert response.headers["Cross-Origin-Resource-Policy"] == "same-origin"
    assert response.headers["X-Content-Type-Options"] == "nosniff"

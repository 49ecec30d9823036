"""A link that died before the file was fetched, against the sandbox as a real process."""

import pytest
from pytest_django import Settings

from channels_im.messenger import conversations
from tests.factories import make_channel, make_conversation, make_page, receive
from tests.matching import present
from tests.sandbox.process import BERG_BIKES, SandboxProcess
from tickets import tasks
from tickets.models import Attachment

pytestmark = [pytest.mark.processes, pytest.mark.django_db(transaction=True)]

PDF = b"%PDF-1.7\n" + b"x" * 500 + b"\n%%EOF\n"


def test_the_sandbox_gives_a_fresh_link_for_one_that_expired(settings: Settings) -> None:
    with SandboxProcess() as sandbox:
        sandbox.reset(cdn_life_s=-60)
        settings.META_GRAPH_URL = sandbox.url
        settings.META_MEDIA_HOSTS = [f"127.0.0.1:{sandbox.port}"]
        token = sandbox.grant("anna", [BERG_BIKES])["pages"][0]["access_token"]
        sent = sandbox.customer_sends_file("lena", BERG_BIKES, "bill.pdf", PDF, "application/pdf")
        [dead] = present(conversations.read_message(sent["mid"], BERG_BIKES, token)).attachments
        sandbox.configure(cdn_life_s=3600)

        channel = make_channel(make_page(BERG_BIKES, page_token=token))
        conversation = make_conversation(channel, sent["psid"])
        message = receive(conversation, "", mid=sent["mid"])
        Attachment.objects.create(message=message, kind="document", name="bill.pdf", source_url=dead.url)
        tasks.fetch_files()

        kept = Attachment.objects.get()
        assert (kept.state, kept.size, kept.refreshes) == ("stored", len(PDF), 1)
        assert kept.source_url != dead.url

"""What open pages show besides messages, after a change: rows and counts, header and details of a conversation."""

from collections.abc import Collection
from types import SimpleNamespace

from django.template.loader import get_template

from desk.live import versions
from desk.live.fanout import Payload
from tickets.views import live_rows, live_viewers, pages
from tickets.views.live_rows import Reader


def read(payloads: Collection[Payload], readers: Collection[Reader]) -> dict[Reader, list[Payload]]:
    """Return the events of `live_rows.read`, and for readers who have a changed conversation open its `state`.

    `state`: {conversation, version, html (_thread_state.html)}.
    """
    events = live_rows.read(payloads, readers)
    version, template = versions.version(), get_template("tickets/_thread_state.html")
    for page in live_viewers.open_pages(payloads, readers):
        with page.reader.seen():
            context = pages.state_context(page.user, page.reader.facts, page.conversation, version)
            html = template.render({**context, "request": SimpleNamespace(user=page.user)})
        state = {"kind": "state", "conversation": page.conversation.pk, "version": version, "html": html}
        events.setdefault(page.reader, []).append(state)
    return events

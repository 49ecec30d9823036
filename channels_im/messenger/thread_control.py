"""Take or request control of a conversation that another app holds. Source: Meta, "Conversation Routing".

Meta refuses `take_thread_control` (code 27) for a Page without a default app. A second identical call changes nothing.
"""

from django.views.decorators.debug import sensitive_variables

from channels_im.messenger.client import GraphClient, node, require_success


@sensitive_variables("token")
def take(token: str, page_id: str, psid: str, metadata: str = "") -> None:
    """Take control of the conversation with `psid`. Raises the errors of GraphClient."""
    _post(token, page_id, psid, "take_thread_control", metadata)


@sensitive_variables("token")
def request(token: str, page_id: str, psid: str, metadata: str = "") -> None:
    """Ask the app that holds the conversation with `psid` to pass it to us. Raises the errors of GraphClient."""
    _post(token, page_id, psid, "request_thread_control", metadata)


@sensitive_variables("token")
def _post(token: str, page_id: str, psid: str, edge: str, metadata: str) -> None:
    body = {"recipient": {"id": psid}, "metadata": metadata}
    require_success(GraphClient(token).post(f"{node(page_id)}/{edge}", json=body), edge)

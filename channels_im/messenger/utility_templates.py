"""The templates of utility messages: list, create and delete those of a Page, and read Meta's library.

Sources: Meta, "Send a utility message" (13 March 2026), "Page message templates", "Message template library". Meta's
pages call the permission `page_utility_messaging`, its reference of permissions `pages_utility_messaging`.
"""

from typing import Any

from django.views.decorators.debug import sensitive_variables

from channels_im.messenger.client import GraphClient, node, require_success
from channels_im.messenger.errors import GraphOutcomeUnknown
from channels_im.messenger.template_texts import NewTemplate, TemplateInfo, template_in
from channels_im.messenger.values import as_id, as_text

_FIELDS = "id,name,language,category,status,components,rejected_reason"
MAX_LIBRARY = 50


@sensitive_variables("token")
def list_templates(page_id: str, token: str) -> list[TemplateInfo]:
    """Return all templates of the Page. Raises the errors of GraphClient."""
    rows = GraphClient(token).paged(f"{node(page_id)}/message_templates", fields=_FIELDS, limit=100)
    return [info for info in map(template_in, rows) if info]


@sensitive_variables("token")
def create_template(page_id: str, token: str, new: NewTemplate) -> tuple[str, str]:
    """Create a template, and return Meta's id of it and its status. Raises the errors of GraphClient."""
    answer = GraphClient(token).post(f"{node(page_id)}/message_templates", json=new.as_json())
    template_id = as_id(answer.get("id"))
    if template_id is None:
        raise GraphOutcomeUnknown(  # English only: for the log
            "The template was answered without an id", http_status=200
        )
    return template_id, as_text(answer.get("status")) or "PENDING"


@sensitive_variables("token")
def delete_template(page_id: str, token: str, name: str, template_id: str) -> None:
    """Delete one template by its name and Meta's id. Raises the errors of GraphClient."""
    answer = GraphClient(token).delete(f"{node(page_id)}/message_templates", name=name, hsm_id=template_id)
    require_success(answer, "delete template")  # English only: for the log


@sensitive_variables("token")
def library(token: str, *, language: str, search: str = "") -> list[TemplateInfo]:
    """Return templates of Meta's library in one language, at most MAX_LIBRARY. Raises the errors of GraphClient."""
    params: dict[str, Any] = {"language": language, "limit": MAX_LIBRARY}
    if search:
        params["search"] = search
    rows = GraphClient(token).get("message_template_library", **params).get("data")
    found = (template_in(row) for row in (rows if isinstance(rows, list) else []))
    return [info for info in found if info][:MAX_LIBRARY]

"""The message templates of a Page: refreshed from Meta, created, deleted, and their states told by webhooks.

No network call is inside a transaction. Creating is safe to repeat: name and language are unique at Meta too.
"""

from datetime import datetime
from typing import Any

from django.db import transaction

from channels_im.messenger import template_texts, utility_templates
from channels_im.messenger.error_table import TOKEN_CODES
from channels_im.messenger.errors import GraphError
from channels_im.messenger.events import TemplateStatus
from channels_im.messenger.scopes import UTILITY_SCOPES
from channels_im.messenger.template_texts import NewTemplate, TemplateInfo
from channels_im.models import MessageTemplate, Page
from channels_im.services.facebook import page_errors
from channels_im.services.facebook.page_errors import Call
from desk import audit_log
from desk.errors import Refused
from desk.models import User
from desk.sentences import counted, sentence

State = MessageTemplate.State

#: How to get the permission, for administrators and agents.
PERMISSION_MISSING = sentence(
    "Facebook has not given Desk the permission %(permission)s for this Page. It must be approved in the review of "
    "the Facebook app; then set META_UTILITY_MESSAGES=true and re-authenticate the Page.",
    permission=UTILITY_SCOPES[0],
)
_STATES = {
    "APPROVED": State.APPROVED,
    "PENDING": State.PENDING,
    "IN_APPEAL": State.PENDING,
    "REINSTATED": State.APPROVED,
    "REJECTED": State.REJECTED,
}
_GONE = frozenset({"DELETED", "PENDING_DELETION"})


class TemplateError(Refused):
    """Something that cannot be done with a template; the sentence is for the administrator."""


def is_permission_error(error: GraphError) -> bool:
    """Return whether Meta refused a call about utility messages because their permission is missing."""
    code = error.code
    return code is not None and (code == 10 or 200 <= code <= 299) and code not in TOKEN_CODES and not error.subcode


def refresh(page: Page) -> int:
    """Read all templates of the Page from Meta and store them; return how many. Raises TemplateError."""
    token = _token_of(page)
    try:
        infos = utility_templates.list_templates(page.page_id, token)
    except GraphError as error:
        raise _told(page, token, error) from error
    by_key = {(info.name, info.language): info for info in infos}
    with transaction.atomic():
        for row in MessageTemplate.objects.select_for_update().filter(page=page):
            if (row.name, row.language) not in by_key:
                row.delete()
        for info in by_key.values():
            _store(page, info)
    return len(by_key)


def create(user: User, page: Page, new: NewTemplate) -> MessageTemplate:
    """Create a template at Meta and store it. Raises TemplateError, with the form field at fault."""
    check(new)
    if MessageTemplate.objects.filter(page=page, name=new.name, language=new.language).exists():
        raise TemplateError(sentence("The Page has a template of this name in this language already."), field="name")
    token = _token_of(page)
    try:
        template_id, status = utility_templates.create_template(page.page_id, token, new)
    except GraphError as error:
        if error.verdict.outcome_unknown:
            raise TemplateError(
                sentence("Facebook did not confirm. Refresh the list to see whether the template was created.")
            ) from error
        raise _told(page, token, error) from error
    info = TemplateInfo(template_id, new.name, new.language, new.category, status.upper(), new.body, new.buttons)
    with transaction.atomic():
        row = _store(page, info)
        created = sentence("Message template %(template)s created.", template=f"{new.name} ({new.language})")
        audit_log.record(user, page, audit_log.CHANGE, created)
    return row


def delete(user: User, template: MessageTemplate) -> None:
    """Delete a template at Meta and here. Raises TemplateError; one that Meta does not have is only deleted here."""
    page = template.page
    token = _token_of(page)
    try:
        utility_templates.delete_template(page.page_id, token, template.name, template.template_id)
    except GraphError as error:
        if is_permission_error(error) or error.verdict.is_temporary or error.code in TOKEN_CODES:
            raise _told(page, token, error) from error
        if any(info.template_id == template.template_id for info in _listed(page, token)):
            raise TemplateError(
                sentence("Facebook did not delete the template. %(why_text)s", why_text=error.verdict.sentence)
            ) from error
    with transaction.atomic():
        MessageTemplate.objects.filter(pk=template.pk).delete()
        deleted = sentence("Message template %(template)s deleted.", template=template)
        audit_log.record(user, page, audit_log.CHANGE, deleted)


def library(page: Page, *, language: str, search: str) -> list[TemplateInfo]:
    """Return templates of Meta's library to start from. Raises TemplateError."""
    token = _token_of(page)
    try:
        return utility_templates.library(token, language=language, search=search)
    except GraphError as error:
        raise _told(page, token, error) from error


def apply_status(page: Page, event: TemplateStatus, at: datetime) -> None:
    """Store the state of a template that a webhook tells, unless a later one is stored already."""
    with transaction.atomic():
        rows = MessageTemplate.objects.select_for_update().filter(page=page)
        row = rows.filter(template_id=event.template_id).first() if event.template_id else None
        row = row or rows.filter(name=event.name, language=event.language).first()
        if row is None or (row.state_at is not None and row.state_at > at):
            return
        if event.status in _GONE:
            row.delete()
            return
        row.state, row.reason, row.state_at = _STATES.get(event.status, State.PAUSED), event.reason, at
        row.save(update_fields=["state", "reason", "state_at"])


def check(new: NewTemplate) -> None:
    """Raise TemplateError for what Meta would refuse, with the form field at fault."""
    if not template_texts.NAME.fullmatch(new.name) or len(new.name) > template_texts.MAX_NAME_CHARS:
        raise TemplateError(
            sentence("A name has small letters, digits and underscores only: order_shipped."), field="name"
        )
    if not template_texts.LANGUAGE.fullmatch(new.language):
        raise TemplateError(sentence("Name the language as Facebook does: en, en_US, de."), field="language")
    if not new.body.strip():
        raise TemplateError(sentence("Write the text of the template."), field="body")
    if len(new.body) > template_texts.MAX_BODY_CHARS:
        refusal = counted(
            "The text has %(count)s character; at most %(limit)s fit.",
            "The text has %(count)s characters; at most %(limit)s fit.",
            len(new.body),
            count=f"{len(new.body):,}",
            limit=f"{template_texts.MAX_BODY_CHARS:,}",
        )
        raise TemplateError(refusal, field="body")
    if not template_texts.is_numbered(new.body):
        raise TemplateError(sentence("Number the placeholders {{1}}, {{2}} and so on, without a gap."), field="body")
    if len(new.examples) != len(template_texts.placeholders(new.body)) or not all(map(str.strip, new.examples)):
        count = len(template_texts.placeholders(new.body))
        refusal = sentence("There is no placeholder.")
        if count:
            refusal = counted(
                "Give %(count)s example: Facebook checks the template with it.",
                "Give %(count)s examples, each on a line: Facebook checks the template with them.",
                count,
            )
        raise TemplateError(refusal, field="examples")
    if len(new.buttons) > template_texts.MAX_BUTTONS or any(
        len(title) > template_texts.MAX_BUTTON_CHARS for title in new.buttons
    ):
        raise TemplateError(sentence("At most three buttons, each of at most 20 characters."), field="buttons")


def _store(page: Page, info: TemplateInfo) -> MessageTemplate:
    values: dict[str, Any] = {
        "template_id": info.template_id,
        "category": info.category[:40],
        "header": info.header,
        "body": info.body,
        "buttons": list(info.buttons),
        "state": _STATES.get(info.status, State.PAUSED),
        "reason": info.reason,
    }
    row, _created = MessageTemplate.objects.update_or_create(
        page=page, name=info.name[:200], language=info.language[:16], defaults=values
    )
    return row


def _listed(page: Page, token: str) -> list[TemplateInfo]:
    try:
        return utility_templates.list_templates(page.page_id, token)
    except GraphError as error:
        raise _told(page, token, error) from error


def _token_of(page: Page) -> str:
    if not page.is_connected or not page.page_token:
        raise TemplateError(sentence("The Page must be re-authenticated first."))
    return page.page_token


def _told(page: Page, token: str, error: GraphError) -> TemplateError:
    """Return the sentence for Meta's refusal. A missing permission for templates leaves the Page connected."""
    if is_permission_error(error):
        return TemplateError(PERMISSION_MISSING, code="permission_missing")
    page_errors.record(page, error, Call.BACKGROUND, token=token)
    return TemplateError(error.verdict.final_sentence)

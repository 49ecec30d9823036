"""Replies made from a message template of the Page: utility messages, which need no open messaging window."""

from collections.abc import Sequence
from dataclasses import dataclass

from channels_im.messenger import template_texts
from channels_im.models import MessageTemplate, Page
from desk.sentences import counted, sentence
from desk.text import is_blank
from tickets.models import Conversation
from tickets.rules import sent_as
from tickets.rules.sending import Refusal, Verdict, clean_text
from tickets.services.outgoing.replies import ReplyError, SpecialPart


def template_of(page: Page, use: sent_as.TemplateUse) -> MessageTemplate | None:
    """Return the approved template that a reply uses, or None."""
    return MessageTemplate.objects.filter(
        page=page, name=use.name, language=use.language, state=MessageTemplate.State.APPROVED
    ).first()


@dataclass(frozen=True)
class Field:
    """A field for a placeholder: its name, the words before it, and the value where it is known."""

    name: str
    label: str
    value: str


@dataclass(frozen=True)
class Choice:
    """A template that can be sent, with a field for each placeholder."""

    template: MessageTemplate
    fields: list[Field]


def choices(conversation: Conversation) -> list[Choice]:
    """Return what can be sent in this conversation, with the customer's name filled in where a text greets with it."""
    name = conversation.contact.name
    return [
        Choice(template, _fields(template.body, name))
        for template in MessageTemplate.objects.filter(
            page=conversation.channel.page_id, state=MessageTemplate.State.APPROVED
        )
    ]


def _fields(body: str, customer_name: str) -> list[Field]:
    names = template_texts.placeholders(body)
    values = template_texts.guesses(body, customer_name)
    return [Field(name, _label(name), value) for name, value in zip(names, values, strict=True)]


def _label(name: str) -> str:
    if name.isdecimal():
        return sentence("Value %(number)s", number=name)
    return name.replace("_", " ").capitalize()


def part_by_id(conversation: Conversation, template_id: int | None, values: Sequence[str]) -> SpecialPart:
    """Return the reply that is the template with this id of ours. Raises ReplyError (TEMPLATE_REFUSED)."""
    template = MessageTemplate.objects.filter(page=conversation.channel.page_id, pk=template_id or 0).first()
    if template is None:
        raise _refused(sentence("This template was deleted. Choose another one."))
    return part_of(conversation, template.name, template.language, values)


def part_of(conversation: Conversation, name: str, language: str, values: Sequence[str]) -> SpecialPart:
    """Return the reply that is this template with these values. Raises ReplyError (TEMPLATE_REFUSED)."""
    use = sent_as.TemplateUse(name, language, tuple(" ".join(clean_text(value).split()) for value in values))
    template = template_of(conversation.channel.page, use)
    if template is None:
        raise _refused(sentence("The Page has no approved template of this name in this language."))
    names = template_texts.placeholders(template.body)
    if len(use.values) != len(names):
        raise _refused(
            counted(
                "This template needs %(count)s value, one for each placeholder.",
                "This template needs %(count)s values, one for each placeholder.",
                len(names),
            )
        )
    if any(is_blank(value) for value in use.values):
        raise _refused(sentence("Fill in every field of the template."))
    if any(len(value) > template_texts.MAX_VALUE_CHARS for value in use.values):
        raise _refused(sentence("A value has at most %(most)s characters.", most=template_texts.MAX_VALUE_CHARS))
    choices = [{"title": title, "url": None, "payload": None} for title in template.buttons]
    card = {"kind": "template", "title": "", "text": "", "url": None, "choices": choices} if choices else None
    text = template_texts.filled(template.body, use.values)
    header = f"{template.header}\n" if template.header else ""
    return SpecialPart(sent_as.of_template(use), header + text, card)


def _refused(reason: str) -> ReplyError:
    return ReplyError(Verdict(False, Refusal.TEMPLATE_REFUSED, reason))

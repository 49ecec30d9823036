"""Setup → Messenger → a channel → Message templates: list, refresh, create and delete those of its Page."""

from typing import Any
from urllib.parse import urlencode

from django import forms
from django.contrib import messages
from django.http import HttpResponse
from django.shortcuts import get_object_or_404, redirect
from django.utils.translation import gettext, gettext_lazy, ngettext

from channels_im.messenger import template_texts
from channels_im.messenger.template_texts import NewTemplate
from channels_im.models import Channel, MessageTemplate
from channels_im.services.facebook import message_templates as service
from channels_im.services.facebook.message_templates import TemplateError
from channels_im.setup.access import CHANGE_CHANNEL, SEE_CHANNELS, may, page, setup_view
from desk.languages import translated
from desk.requests import UserRequest

LEVELS = {
    MessageTemplate.State.APPROVED: "success",
    MessageTemplate.State.PENDING: "warning",
    MessageTemplate.State.REJECTED: "danger",
    MessageTemplate.State.PAUSED: "danger",
}
DEFAULT_LANGUAGE = "en_US"


class TemplateForm(forms.Form):
    """A new template. The service checks what Facebook would refuse."""

    name = forms.CharField(
        max_length=template_texts.MAX_NAME_CHARS, error_messages={"required": gettext_lazy("Give it a name.")}
    )
    language = forms.CharField(
        max_length=16,
        initial=DEFAULT_LANGUAGE,
        error_messages={"required": gettext_lazy("Name the language, for example en_US.")},
    )
    body = forms.CharField(
        widget=forms.Textarea(attrs={"rows": 5}),
        error_messages={"required": gettext_lazy("Write the text of the template.")},
    )
    examples = forms.CharField(required=False, widget=forms.Textarea(attrs={"rows": 3}))
    buttons = forms.CharField(required=False, widget=forms.Textarea(attrs={"rows": 3}))

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        for name, field in self.fields.items():
            field.widget.attrs |= {"class": "field", "aria-describedby": f"{name}-error", "autocomplete": "off"}
            field.widget.attrs.pop("maxlength", None)

    def template(self) -> NewTemplate:
        """Return the template that the valid form describes."""
        data = self.cleaned_data
        return NewTemplate(
            name=data["name"],
            language=data["language"],
            body=data["body"].replace("\r\n", "\n"),
            examples=_lines(data["examples"]),
            buttons=_lines(data["buttons"]),
        )


def _lines(text: str) -> tuple[str, ...]:
    return tuple(line.strip() for line in text.splitlines() if line.strip())


@setup_view(*SEE_CHANNELS)
def show(request: UserRequest, pk: int) -> HttpResponse:
    """List the templates of the channel's Page; POST reads them from Facebook again."""
    channel = _channel(pk)
    if request.method == "POST" and may(request.user, CHANGE_CHANNEL):
        try:
            count = service.refresh(channel.page)
        except TemplateError as refusal:
            messages.error(request, translated(str(refusal)))
        else:
            found = ngettext(
                "Facebook has %(count)s template of this Page.",
                "Facebook has %(count)s templates of this Page.",
                count,
            )
            messages.success(request, found % {"count": count})
        return redirect("setup:message_templates", pk=pk)
    stored = list(MessageTemplate.objects.filter(page=channel.page))
    rows = [{"template": template, "level": LEVELS[MessageTemplate.State(template.state)]} for template in stored]
    return page(
        request,
        "templates.html",
        gettext("Message templates"),
        channel=channel,
        rows=rows,
        is_waiting=any(template.state == MessageTemplate.State.PENDING for template in stored),
        may_change=may(request.user, CHANGE_CHANNEL),
    )


@setup_view(CHANGE_CHANNEL)
def add(request: UserRequest, pk: int) -> HttpResponse:
    """Create a template (POST); `name`, `language` and `body` in the query come from Facebook's library."""
    channel = _channel(pk)
    start = {name: request.GET[name] for name in ("name", "language", "body") if name in request.GET}
    form = TemplateForm(request.POST) if request.method == "POST" else TemplateForm(initial=start)
    if request.method == "POST" and form.is_valid():
        try:
            created = service.create(request.user, channel.page, form.template())
        except TemplateError as refusal:
            form.add_error(refusal.field or None, translated(str(refusal)))
        else:
            made = gettext("The template %(name)s was created. Facebook checks it within seconds.")
            messages.success(request, made % {"name": created.name})
            return redirect("setup:message_templates", pk=pk)
    status = 422 if form.errors else 200
    return page(request, "template_form.html", gettext("New template"), status=status, channel=channel, form=form)


@setup_view(CHANGE_CHANNEL)
def library(request: UserRequest, pk: int) -> HttpResponse:
    """Search Facebook's library for a template to start from."""
    channel = _channel(pk)
    language, search = request.GET.get("language", DEFAULT_LANGUAGE)[:16], request.GET.get("q", "")[:100]
    found: list[dict[str, Any]] = []
    problem = ""
    try:
        for info in service.library(channel.page, language=language, search=search):
            start = {"name": info.name, "language": info.language or language, "body": info.body}
            found.append({"info": info, "query": urlencode(start)})
    except TemplateError as refusal:
        problem = str(refusal)
    return page(
        request,
        "template_library.html",
        gettext("Facebook's templates"),
        channel=channel,
        found=found,
        problem=problem,
        language=language,
        search=search,
    )


@setup_view(CHANGE_CHANNEL)
def delete(request: UserRequest, pk: int, template: int) -> HttpResponse:
    """Delete a template at Facebook and here (POST)."""
    channel = _channel(pk)
    row = MessageTemplate.objects.select_related("page").filter(page=channel.page, pk=template).first()
    if request.method == "POST" and row is not None:
        try:
            service.delete(request.user, row)
        except TemplateError as refusal:
            messages.error(request, translated(str(refusal)))
        else:
            messages.success(request, gettext("The template %(name)s was deleted.") % {"name": row.name})
    return redirect("setup:message_templates", pk=pk)


def _channel(pk: int) -> Channel:
    return get_object_or_404(Channel.objects.existing().select_related("page"), pk=pk)

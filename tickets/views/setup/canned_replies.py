"""Setup → Canned replies: those that everybody shares, in folders, with import and export."""

from django.contrib import admin, messages
from django.db.models import Count, Q
from django.http import HttpRequest, HttpResponse, HttpResponseBase
from django.shortcuts import get_object_or_404, redirect, render
from django.utils import timezone
from django.utils.translation import gettext, ngettext
from django.views.decorators.http import require_safe

from channels_im.setup.access import may, setup_view
from desk import audit_log, csv_table, searching
from desk.accounts.reauthentication import recent_password_required
from desk.errors import Refused
from desk.models import Department
from desk.requests import UserRequest
from desk.sentences import sentence
from desk.setup_lists import Asked, Empty, SetupList
from tickets.models import CannedReply
from tickets.services.inbox import canned_import, canned_replies
from tickets.views.canned_forms import CannedReplyForm, file_for, preview_context
from tickets.views.files import serve_canned

VIEW, ADD = "tickets.view_cannedreply", "tickets.add_cannedreply"
CHANGE, DELETE = "tickets.change_cannedreply", "tickets.delete_cannedreply"
SEE = (VIEW, ADD, CHANGE, DELETE)


def page(request: HttpRequest, template: str, title: str, status: int = 200, **context: object) -> HttpResponse:
    """Render a page of Canned replies with the menu of Setup."""
    context = {**admin.site.each_context(request), "title": title, **context}
    return render(request, f"tickets/canned/{template}", context, status=status)


@setup_view(*SEE)
@require_safe
def show(request: UserRequest) -> HttpResponse:
    """List the shared canned replies."""
    asked = Asked(request, "folder", "department")
    shared = CannedReply.objects.filter(owner=None).select_related("department").annotate(file_count=Count("files"))
    found = [
        reply
        for reply in shared
        if not asked.search or searching.matches(asked.search, reply.shortcut, reply.title, reply.text, reply.folder)
    ]
    folders = sorted({reply.folder for reply in found if reply.folder})
    used = {reply.department_id for reply in found}
    departments = [(str(one.pk), one.name) for one in Department.objects.all() if one.pk in used]
    listed = [
        reply
        for reply in found
        if asked["folder"] in ("", reply.folder) and asked["department"] in ("", str(reply.department_id))
    ]
    rows, pager = asked.page_of(listed)
    listing = SetupList(
        asked,
        (
            gettext("Shortcut"),
            gettext("Folder"),
            gettext("Department"),
            gettext("Files"),
            gettext("Used"),
            gettext("Last used"),
        ),
        rows,
        pager,
        Empty(
            gettext("No canned reply yet"),
            gettext("Write what agents send often. They insert it with / and the shortcut."),
        ),
        search_words=gettext("Shortcut, title or text"),
        chips=(
            asked.chips("folder", [(name, name) for name in folders] if folders else (), every=gettext("All folders")),
            asked.chips("department", departments, every=gettext("All departments")),
        ),
    )
    return page(request, "list.html", gettext("Canned replies"), list=listing, may_add=may(request.user, ADD))


@setup_view(ADD)
def add(request: UserRequest) -> HttpResponse:
    """Add a canned reply."""
    return _edit(request, None)


@setup_view(VIEW, CHANGE)
def edit(request: UserRequest, pk: int) -> HttpResponse:
    """Show a canned reply; a POST changes it, or with `preview` shows what a customer would get."""
    return _edit(request, _shared(pk))


def _shared(pk: int) -> CannedReply:
    return get_object_or_404(CannedReply, pk=pk, owner=None)


def _edit(request: UserRequest, reply: CannedReply | None) -> HttpResponse:
    may_change = reply is None or may(request.user, CHANGE)
    form = CannedReplyForm(request, reply, may_change=may_change)
    is_preview = "preview" in request.POST
    if form.is_valid() and not is_preview:
        try:
            saved = canned_replies.save(request.user, reply, form.cleaned_data, files=form.file_changes)
        except Refused as refused:
            form.add_error(refused.field, str(refused))
        else:
            messages.success(request, gettext("%(name)s is saved.") % {"name": saved})
            return redirect("canned:list")
    return page(
        request,
        "form.html",
        str(reply) if reply else gettext("Add canned reply"),
        422 if not is_preview and form.errors else 200,
        form=form,
        reply=reply,
        is_preview=is_preview,
        may_change=may_change,
        may_delete=reply is not None and may(request.user, DELETE),
        history=audit_log.entries_of(reply) if reply else [],
        **preview_context(form, request.POST.get("conversation", "")),
    )


@setup_view(DELETE)
@recent_password_required
def delete(request: UserRequest, pk: int) -> HttpResponse:
    """Ask whether to delete a canned reply; a POST deletes it."""
    reply = _shared(pk)
    if request.method == "POST":
        canned_replies.delete(request.user, reply)
        messages.success(request, gettext("%(name)s is deleted.") % {"name": reply})
        return redirect("canned:list")
    return page(request, "delete.html", gettext("Delete %(name)s") % {"name": reply}, reply=reply)


@setup_view(*SEE)
@require_safe
def file(request: UserRequest, pk: int) -> HttpResponseBase:
    """Send a file of a shared canned reply, or of one that is being written."""
    return serve_canned(request, file_for(request.user, pk, Q(reply__isnull=False, reply__owner=None)))


@setup_view(*SEE)
@require_safe
def export(request: UserRequest) -> HttpResponse:
    """Send the shared canned replies as a CSV file, which can be imported again."""
    content = "\ufeff".encode() + b"".join(canned_import.export())  # a spreadsheet then reads UTF-8
    name = f"canned replies {timezone.localdate():%Y-%m-%d}.csv"  # English only: the name of a file
    headers = {"Content-Disposition": f'attachment; filename="{name}"'}
    return HttpResponse(content, content_type="text/csv; charset=utf-8", headers=headers)


@setup_view(ADD)
def import_file(request: UserRequest) -> HttpResponse:
    """Show the form; preview a file (POST), and save its lines (POST with `confirm`)."""
    if request.method != "POST":
        return _import_page(request)
    try:
        text = csv_table.text_of(request)
        lines = canned_import.read(text)
        if not may(request.user, CHANGE):
            for line in lines:
                if line.existing:
                    line.errors.append(sentence("It exists, and you may not change it."))
        good_count = sum(not line.errors for line in lines)
        if "confirm" in request.POST and good_count:
            count = canned_import.save(request.user, lines)
            words = ngettext("%(count)s canned reply is saved.", "%(count)s canned replies are saved.", count)
            messages.success(request, words % {"count": count})
            return redirect("canned:list")
    except Refused as refused:
        return _import_page(request, 422, error=str(refused))
    return _import_page(request, lines=lines, good_count=good_count, text=text)


def _import_page(request: UserRequest, status: int = 200, **context: object) -> HttpResponse:
    shared = {"columns": canned_import.COLUMNS, "most": canned_import.MAX_LINES}
    return page(request, "import.html", gettext("Import canned replies"), status, **shared, **context)

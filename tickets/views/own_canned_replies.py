"""The canned replies that only their owner sees, among the pages of their account."""

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.db.models import Count, Q
from django.http import HttpResponse, HttpResponseBase
from django.shortcuts import get_object_or_404, redirect, render
from django.utils.translation import gettext
from django.views.decorators.http import require_http_methods, require_safe

from desk.errors import Refused
from desk.languages import translated
from desk.requests import UserRequest
from tickets.models import CannedReply
from tickets.services.inbox import canned_replies
from tickets.views.canned_forms import CannedReplyForm, file_for, preview_context
from tickets.views.files import serve_canned


@require_safe
@login_required
def show(request: UserRequest) -> HttpResponse:
    """List the user's own canned replies by folder."""
    replies = CannedReply.objects.filter(owner=request.user).order_by("folder", "shortcut")
    replies = replies.annotate(file_count=Count("files"))
    return render(request, "tickets/canned/own_list.html", {"replies": replies})


@require_http_methods(["GET", "HEAD", "POST"])
@login_required
def edit(request: UserRequest, pk: int | None = None) -> HttpResponse:
    """Show a canned reply of the user, or the form of a new one. POST saves it; with `preview` it is only shown."""
    reply = get_object_or_404(CannedReply, pk=pk, owner=request.user) if pk else None
    form = CannedReplyForm(request, reply, is_personal=True)
    is_preview = "preview" in request.POST
    if form.is_valid() and not is_preview:
        try:
            saved = canned_replies.save(
                request.user, reply, form.cleaned_data, owner=request.user, files=form.file_changes
            )
        except Refused as refused:
            form.add_error(refused.field, translated(str(refused)))
        else:
            messages.success(request, gettext("%(name)s is saved.") % {"name": saved})
            return redirect("own_canned_replies")
    context = {
        "form": form,
        "reply": reply,
        "is_preview": is_preview,
        **preview_context(form, request.POST.get("conversation", "")),
    }
    status = 422 if not is_preview and form.errors else 200
    return render(request, "tickets/canned/own_form.html", context, status=status)


@require_http_methods(["GET", "HEAD", "POST"])
@login_required
def delete(request: UserRequest, pk: int) -> HttpResponse:
    """Ask whether to delete a canned reply of the user; a POST deletes it."""
    reply = get_object_or_404(CannedReply, pk=pk, owner=request.user)
    if request.method == "POST":
        canned_replies.delete(request.user, reply)
        messages.success(request, gettext("%(name)s is deleted.") % {"name": reply})
        return redirect("own_canned_replies")
    return render(request, "tickets/canned/own_delete.html", {"reply": reply})


@require_safe
@login_required
def file(request: UserRequest, pk: int) -> HttpResponseBase:
    """Send a file of a canned reply of the user."""
    return serve_canned(request, file_for(request.user, pk, Q(reply__owner=request.user)))

"""Canned replies in Setup, the people who wrote, erasing one of them, and the receipts of those who were erased."""

from typing import Any

from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied
from django.db.models import QuerySet
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.template.loader import render_to_string
from django.urls import URLPattern, path, reverse
from django.utils.html import format_html, format_html_join

from desk.admin import ReadOnlyAdmin, SetupModelAdmin
from desk.errors import Refused
from tickets.models import CannedReply, Contact, Erasure
from tickets.services.page_actions import moderation
from tickets.services.privacy import erasure


@admin.register(CannedReply)
class CannedReplyAdmin(SetupModelAdmin[CannedReply]):
    list_display = ["shortcut", "title", "department", "created_by"]
    list_filter = ["department"]
    list_select_related = ["department", "created_by"]
    search_fields = ["shortcut", "title", "text"]
    fields = ["shortcut", "title", "text", "department"]

    def save_model(self, request: HttpRequest, obj: CannedReply, form: Any, change: bool) -> None:
        if not change:
            obj.created_by = request.user
        super().save_model(request, obj, form, change)


@admin.register(Contact)
class PersonAdmin(ReadOnlyAdmin[Contact]):
    """Whoever wrote to a Page, also to a channel that was deleted since: the way to their history, and its end."""

    list_display = ["display_name", "page", "page_scoped_id", "first_seen_at", "history", "end"]
    list_display_links = None
    list_filter = ["page", "first_seen_at"]
    list_select_related = ["page", "erasure"]
    search_fields = ["name", "psid", "email", "phone"]
    ordering = ["-first_seen_at", "-pk"]

    def get_queryset(self, request: HttpRequest) -> QuerySet[Contact]:
        return super().get_queryset(request).prefetch_related("conversations__channel")

    def get_urls(self) -> list[URLPattern]:
        mine = path("<int:pk>/erase/", self.admin_site.admin_view(self.erase), name="tickets_contact_erase")
        return [mine, *super().get_urls()]

    @admin.display(description="Name", ordering="name")
    def display_name(self, person: Contact) -> str:
        return person.display_name

    @admin.display(description="Page-scoped id")
    def page_scoped_id(self, person: Contact) -> str:
        return "—" if person.erased_at else person.psid

    @admin.display(description="Conversation")
    def history(self, person: Contact) -> str:
        lines = [(reverse("conversation", args=[one.pk]), one.channel) for one in person.conversations.all()]
        return format_html_join(" · ", '<a href="{}">{}</a>', lines) or "—"

    @admin.display(description="Data")
    def end(self, person: Contact) -> str:
        if hasattr(person, "erasure"):
            return format_html('<a href="{}">Receipt</a>', receipt_url(person.erasure))
        return format_html('<a href="{}">Erase…</a>', reverse("admin:tickets_contact_erase", args=[person.pk]))

    def change_view(self, request: HttpRequest, object_id: str, *args: Any, **kwargs: Any) -> HttpResponse:
        """There is no page of a person besides their conversation."""
        return redirect(f"{reverse('admin:tickets_contact_changelist')}?q={object_id}")

    def erase(self, request: HttpRequest, pk: int) -> HttpResponse:
        """Say what goes and what stays (GET); erase when that was ticked (POST)."""
        if not erasure.may_erase(request.user):
            raise PermissionDenied(erasure.NOT_ALLOWED)
        person = get_object_or_404(Contact.objects.select_related("page", "erasure"), pk=pk)
        if hasattr(person, "erasure"):
            return redirect(receipt_url(person.erasure))
        refusal = ""
        if request.method == "POST":
            if request.POST.get("understood") == "yes":
                try:
                    receipt = erasure.erase(request.user, person)
                except Refused as refused:
                    refusal = str(refused)
                else:
                    messages.success(request, "The customer was erased. This is the receipt.")
                    return redirect(receipt_url(receipt))
            else:
                refusal = "Tick that you have understood. Nothing was erased."
        context = {
            **self.admin_site.each_context(request),
            "title": f"Erase {person.display_name}",
            "person": person,
            "counts": erasure.counts_of(person),
            "meta_blocks": moderation.is_blocked_at_meta(person),
            "conversation": person.conversations.order_by("-last_message_at").first(),
            "refusal": refusal,
        }
        return render(request, "tickets/setup/erase.html", context, status=422 if refusal else 200)


@admin.register(Erasure)
class ErasureAdmin(ReadOnlyAdmin[Erasure]):
    """The receipts. Searching for a page-scoped id finds the receipt of its person: only the id can tell."""

    list_title = "Erasure log"
    list_display = ["confirmation_code", "page", "erased_at", "erased_by", "how_much", "state"]
    list_filter = ["erased_at", "page"]
    list_select_related = ["page", "erased_by"]
    search_fields = ["confirmation_code"]
    search_help_text = "A confirmation code, or the Page-scoped id of the customer"

    def has_view_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return erasure.may_see_receipts(request.user)

    def get_search_results(
        self, request: HttpRequest, queryset: QuerySet[Erasure], search_term: str
    ) -> tuple[QuerySet[Erasure], bool]:
        found, may_repeat = super().get_search_results(request, queryset, search_term)
        psid = search_term.strip()
        return (found | queryset.filter(erasure.receipts_of(psid)) if psid else found), may_repeat

    @admin.display(description="Erased")
    def how_much(self, receipt: Erasure) -> str:
        return f"{receipt.counts.get('messages', 0)} messages, {receipt.counts.get('files', 0)} files"

    @admin.display(description="State")
    def state(self, receipt: Erasure) -> str:
        return "Completed" if receipt.completed_at else "Files are being deleted"

    def change_view(self, request: HttpRequest, object_id: str, *args: Any, **kwargs: Any) -> HttpResponse:
        """The receipt, to be printed; with `?download` as a page of its own, to be kept."""
        if not self.has_view_permission(request):
            raise PermissionDenied
        receipt = self.get_object(request, object_id)
        if receipt is None:
            raise Http404("There is no such receipt.")
        if "download" in request.GET:
            page = render_to_string("tickets/export/receipt.html", {"receipt": receipt})
            name = f"receipt-{receipt.confirmation_code}.html"
            return HttpResponse(page, headers={"Content-Disposition": f'attachment; filename="{name}"'})
        context = {**self.admin_site.each_context(request), "title": "Receipt", "receipt": receipt}
        return render(request, "tickets/setup/receipt.html", context)


def receipt_url(receipt: Erasure) -> str:
    return reverse("admin:tickets_erasure_change", args=[receipt.pk])

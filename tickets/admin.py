"""Canned replies in Setup, the customers, erasing a customer, and the receipts of erasures."""

from typing import Any

from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied
from django.db.models import QuerySet
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.template.loader import render_to_string
from django.urls import URLPattern, path, reverse
from django.utils.html import format_html, format_html_join

from desk.accounts import reauthentication
from desk.admin import ReadOnlyAdmin, SetupModelAdmin
from desk.errors import Refused
from tickets.models import CannedReply, Contact, Erasure
from tickets.services.inbox import search
from tickets.services.page_actions import moderation
from tickets.services.privacy import erasure


@admin.register(CannedReply)
class CannedReplyAdmin(SetupModelAdmin[CannedReply]):
    list_display = ["shortcut", "title", "department", "created_by"]
    list_filter = ["department"]
    list_select_related = ["department", "created_by"]
    search_fields = ["shortcut", "title", "text"]
    is_searched_by_words = True
    fields = ["shortcut", "title", "text", "department"]

    def save_model(self, request: HttpRequest, obj: CannedReply, form: Any, change: bool) -> None:
        if not change and not request.user.is_anonymous:
            obj.created_by = request.user
        super().save_model(request, obj, form, change)


@admin.register(Contact)
class ContactAdmin(ReadOnlyAdmin[Contact]):
    """Everybody who wrote to a Page, also to a deleted channel, with links to their conversations and their erasure."""

    list_display = ["display_name", "page", "page_scoped_id", "first_seen_at", "conversation_links", "erasure_link"]
    list_display_links = None
    list_filter = ["page", "first_seen_at"]
    list_select_related = ["page", "erasure"]
    search_fields = ["name", "psid", "email", "phone"]
    ordering = ["-first_seen_at", "-pk"]

    def get_search_results(
        self, request: HttpRequest, queryset: QuerySet[Contact], search_term: str
    ) -> tuple[QuerySet[Contact], bool]:
        return search.contacts(queryset, search_term), False

    def get_queryset(self, request: HttpRequest) -> QuerySet[Contact]:
        return super().get_queryset(request).prefetch_related("conversations__channel")

    def get_urls(self) -> list[URLPattern]:
        erase = path("<int:pk>/erase/", self.admin_site.admin_view(self.erase), name="tickets_contact_erase")
        return [erase, *super().get_urls()]

    @admin.display(description="Name", ordering="name")
    def display_name(self, contact: Contact) -> str:
        return contact.display_name

    @admin.display(description="Page-scoped id")
    def page_scoped_id(self, contact: Contact) -> str:
        return "—" if contact.erased_at else contact.psid

    @admin.display(description="Conversation")
    def conversation_links(self, contact: Contact) -> str:
        lines = [(reverse("conversation", args=[row.pk]), row.channel) for row in contact.conversations.all()]
        return format_html_join(" · ", '<a href="{}">{}</a>', lines) or "—"

    @admin.display(description="Data")
    def erasure_link(self, contact: Contact) -> str:
        if hasattr(contact, "erasure"):
            return format_html('<a href="{}">Receipt</a>', receipt_url(contact.erasure))
        return format_html('<a href="{}">Erase…</a>', reverse("admin:tickets_contact_erase", args=[contact.pk]))

    def change_view(self, request: HttpRequest, object_id: str, *args: Any, **kwargs: Any) -> HttpResponse:
        """Redirect to the list: a customer has no page of their own in Setup."""
        return redirect(f"{reverse('admin:tickets_contact_changelist')}?q={object_id}")

    def erase(self, request: HttpRequest, pk: int) -> HttpResponse:
        """GET: show what is deleted and what is kept. POST: erase the customer when `understood` is "yes"."""
        if request.user.is_anonymous or not erasure.may_erase(request.user):
            raise PermissionDenied(erasure.NOT_ALLOWED)
        contact = get_object_or_404(Contact.objects.select_related("page", "erasure"), pk=pk)
        if hasattr(contact, "erasure"):
            return redirect(receipt_url(contact.erasure))
        if reauthentication.is_needed(request):
            return reauthentication.ask(request)
        refusal = ""
        if request.method == "POST":
            if request.POST.get("understood") == "yes":
                try:
                    receipt = erasure.erase(request.user, contact)
                except Refused as refused:
                    refusal = str(refused)
                else:
                    messages.success(request, "The customer was erased. This is the receipt.")
                    return redirect(receipt_url(receipt))
            else:
                refusal = "Tick that you have understood. Nothing was erased."
        context = {
            **self.admin_site.each_context(request),
            "title": f"Erase {contact.display_name}",
            "person": contact,
            "counts": erasure.counts_of(contact),
            "meta_blocks": moderation.is_blocked_at_meta(contact),
            "conversation": contact.conversations.order_by("-last_message_at").first(),
            "refusal": refusal,
        }
        return render(request, "tickets/setup/erase.html", context, status=422 if refusal else 200)


@admin.register(Erasure)
class ErasureAdmin(ReadOnlyAdmin[Erasure]):
    """The receipts of erasures. A search for a page-scoped id finds the receipt of that customer; nothing else can."""

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
        by_code, may_repeat = super().get_search_results(request, queryset, search_term)
        psid = search_term.strip()
        return (by_code | queryset.filter(erasure.receipts_of(psid)) if psid else by_code), may_repeat

    @admin.display(description="Erased")
    def how_much(self, receipt: Erasure) -> str:
        return f"{receipt.counts.get('messages', 0)} messages, {receipt.counts.get('files', 0)} files"

    @admin.display(description="State")
    def state(self, receipt: Erasure) -> str:
        return "Completed" if receipt.completed_at else "Files are being deleted"

    def change_view(self, request: HttpRequest, object_id: str, *args: Any, **kwargs: Any) -> HttpResponse:
        """Show the receipt for printing; with `?download`, send it as an HTML file."""
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

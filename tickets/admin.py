"""The customers in Setup, erasing a customer, and the receipts of erasures."""

from typing import Any

from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied
from django.db.models import Q, QuerySet
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.template.loader import render_to_string
from django.urls import URLPattern, path, reverse

from channels_im.models import Page
from desk import folding
from desk.accounts import reauthentication
from desk.admin import ReadOnlyAdmin
from desk.admin.people import MovedAdmin
from desk.errors import Refused
from desk.models import User
from desk.setup_lists import Asked, Empty, SetupList
from tickets.models import CannedReply, Contact, Erasure
from tickets.services.inbox import search
from tickets.services.page_actions import moderation
from tickets.services.privacy import erasure

CUSTOMER_STATES = {"blocked": "Blocked", "erased": "Erased"}
ERASED_BY = {"person": "By a person", "rule": "By the retention rule"}


@admin.register(CannedReply)
class CannedReplyAdmin(MovedAdmin[CannedReply]):
    """Canned replies: the history of one. They are in tickets.views.setup.canned_replies."""

    list_title = "Canned replies"
    list_url, add_url, change_url = "canned:list", "canned:add", "canned:edit"

    def target_of(self, obj: CannedReply) -> int:
        return obj.pk

    def get_queryset(self, request: HttpRequest) -> QuerySet[CannedReply]:
        return super().get_queryset(request).filter(owner=None)


@admin.register(Contact)
class ContactAdmin(ReadOnlyAdmin[Contact]):
    """Everybody who wrote to a Page, also to a deleted channel, with links to their conversations and their erasure."""

    list_title = "Customers"
    list_template = "tickets/setup/customers.html"

    def list_of(self, request: HttpRequest) -> SetupList:
        asked = Asked(request, "page_id", "state")
        contacts = Contact.objects.select_related("page", "erasure").prefetch_related("conversations__channel")
        pages = [(str(page.pk), page.name) for page in Page.objects.filter(channels__isnull=False).distinct()]
        if asked["page_id"] in dict(pages):
            contacts = contacts.filter(page=int(asked["page_id"]))
        if asked["state"] in CUSTOMER_STATES:
            contacts = contacts.filter(**{f"{asked['state']}_at__isnull": False})
        rows, pager = asked.newest_of(search.contacts(contacts, asked.search), time="first_seen_at")
        return SetupList(
            asked,
            ("Customer", "Page", "First seen", "Conversations", ""),
            rows,
            pager,
            Empty("No customers yet", "Whoever writes to a connected Page appears here.", "user"),
            search_words="Name, e-mail, phone or page-scoped id",
            chips=(
                asked.chips("state", CUSTOMER_STATES.items(), every="Everybody"),
                asked.chips("page_id", pages, every="All Pages"),
            ),
        )

    def changelist_view(self, request: HttpRequest, extra_context: dict[str, Any] | None = None) -> HttpResponse:
        may_erase = isinstance(request.user, User) and erasure.may_erase(request.user)
        return super().changelist_view(request, {"may_erase": may_erase, **(extra_context or {})})

    def get_urls(self) -> list[URLPattern]:
        erase = path("<int:pk>/erase/", self.admin_site.admin_view(self.erase), name="tickets_contact_erase")
        return [erase, *super().get_urls()]

    def change_view(self, request: HttpRequest, object_id: str, *args: Any, **kwargs: Any) -> HttpResponse:
        """Redirect to the list: a customer has no page of their own in Setup."""
        return redirect(f"{reverse('admin:tickets_contact_changelist')}?q={object_id}")

    def erase(self, request: HttpRequest, pk: int) -> HttpResponse:
        """GET: show what is deleted and what is kept. POST: erase the customer when `typed_name` is their name."""
        if request.user.is_anonymous or not erasure.may_erase(request.user):
            raise PermissionDenied(erasure.NOT_ALLOWED)
        contact = get_object_or_404(Contact.objects.select_related("page", "erasure"), pk=pk)
        if hasattr(contact, "erasure"):
            return redirect(receipt_url(contact.erasure))
        if reauthentication.is_needed(request):
            return reauthentication.ask(request)
        refusal = typed_name = ""
        if request.method == "POST":
            typed_name = request.POST.get("typed_name", "")
            if typed_name.strip() and folding.fold(typed_name.strip()) == folding.fold(contact.display_name.strip()):
                try:
                    receipt = erasure.erase(request.user, contact)
                except Refused as refused:
                    refusal = str(refused)
                else:
                    messages.success(request, "The customer was erased. This is the receipt.")
                    return redirect(receipt_url(receipt))
            else:
                refusal = "The name you typed is not the name of this customer. Nothing was erased."
        context = {
            **self.admin_site.each_context(request),
            "title": f"Erase {contact.display_name}",
            "person": contact,
            "counts": erasure.counts_of(contact),
            "meta_blocks": moderation.is_blocked_at_meta(contact),
            "conversation": contact.conversations.order_by("-last_message_at").first(),
            "refusal": refusal,
            "typed_name": typed_name,
        }
        return render(request, "tickets/setup/erase.html", context, status=422 if refusal else 200)


@admin.register(Erasure)
class ErasureAdmin(ReadOnlyAdmin[Erasure]):
    """The receipts of erasures. A search for a page-scoped id finds the receipt of that customer; nothing else can."""

    list_title = "Erasure log"
    list_template = "tickets/setup/erasures.html"

    def has_view_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return erasure.may_see_receipts(request.user)

    def list_of(self, request: HttpRequest) -> SetupList:
        asked = Asked(request, "by")
        receipts = Erasure.objects.select_related("page", "erased_by")
        if asked["by"] in ERASED_BY:
            receipts = receipts.filter(retention_days__isnull=asked["by"] == "person")
        if asked.search:
            by_code = Q(confirmation_code__icontains=asked.search)
            receipts = receipts.filter(by_code | erasure.receipts_of(asked.search))
        rows, pager = asked.newest_of(receipts)
        return SetupList(
            asked,
            ("Receipt", "Page", "Erased", "By", "How much", "State"),
            rows,
            pager,
            Empty("Nobody was erased yet", "Erase a customer from the list of customers. The receipt is kept here."),
            search_words="Confirmation code or page-scoped id",
            chips=(asked.chips("by", ERASED_BY.items()),),
        )

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

"""The customers in Setup, erasing a customer, and the receipts of erasures."""

from typing import Any

from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied
from django.db.models import Q, QuerySet
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.template.loader import render_to_string
from django.urls import URLPattern, path, reverse
from django.utils.translation import gettext, pgettext

from channels_im.models import Page
from desk import folding
from desk.accounts import reauthentication
from desk.admin import ReadOnlyAdmin
from desk.admin.people import MovedAdmin
from desk.errors import Refused
from desk.languages import translated
from desk.models import User
from desk.sentences import sentence
from desk.setup_lists import Asked, Empty, SetupList
from tickets.models import CannedReply, Contact, Erasure, Label, Macro
from tickets.services.conversation import persons
from tickets.services.inbox import search
from tickets.services.page_actions import moderation
from tickets.services.privacy import erasure

CUSTOMER_STATES = {"blocked": sentence("Blocked"), "erased": sentence("Erased")}
ERASED_BY = {"person": sentence("By a person"), "rule": sentence("By the retention rule")}


@admin.register(Label)
class LabelAdmin(MovedAdmin[Label]):
    """Labels: the history of one. They are in tickets.views.setup.labels."""

    list_title = sentence("Labels")
    list_url, add_url, change_url = "labels:list", "labels:add", "labels:edit"

    def target_of(self, obj: Label) -> int:
        return obj.pk


@admin.register(CannedReply)
class CannedReplyAdmin(MovedAdmin[CannedReply]):
    """Canned replies: the history of one. They are in tickets.views.setup.canned_replies."""

    list_title = sentence("Canned replies")
    list_url, add_url, change_url = "canned:list", "canned:add", "canned:edit"

    def target_of(self, obj: CannedReply) -> int:
        return obj.pk

    def get_queryset(self, request: HttpRequest) -> QuerySet[CannedReply]:
        return super().get_queryset(request).filter(owner=None)


@admin.register(Macro)
class MacroAdmin(MovedAdmin[Macro]):
    """Macros: the history of one. They are in tickets.views.setup.macros."""

    list_title = sentence("Macros")
    list_url, add_url, change_url = "macros:list", "macros:add", "macros:edit"

    def target_of(self, obj: Macro) -> int:
        return obj.pk

    def get_queryset(self, request: HttpRequest) -> QuerySet[Macro]:
        return super().get_queryset(request).filter(owner=None)


@admin.register(Contact)
class ContactAdmin(ReadOnlyAdmin[Contact]):
    """Everybody who wrote to a Page, also to a deleted channel, with links to their conversations and their erasure."""

    list_title = sentence("Customers")
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
            (gettext("Customer"), gettext("Page"), gettext("First seen"), gettext("Conversations"), ""),
            rows,
            pager,
            Empty(gettext("No customers yet"), gettext("Whoever writes to a connected Page appears here."), "user"),
            search_words=gettext("Name, e-mail, phone or page-scoped id"),
            chips=(
                asked.chips("state", _shown(CUSTOMER_STATES), every=gettext("Everybody")),
                asked.chips("page_id", pages, every=gettext("All Pages")),
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
        of_person = list(persons.members(contact).select_related("page").order_by("pk"))
        refusal = typed_name = ""
        if request.method == "POST":
            typed_name = request.POST.get("typed_name", "")
            if typed_name.strip() and folding.fold(typed_name.strip()) == folding.fold(contact.display_name.strip()):
                try:
                    told = {int(pk) for pk in request.POST.getlist("contact") if pk.isascii() and pk.isdecimal()}
                    receipts = erasure.erase_person(request.user, contact, told or {contact.pk})
                    receipt = next(each for each in receipts if each.contact_id == contact.pk)
                except Refused as refused:
                    refusal = str(refused)
                else:
                    messages.success(request, gettext("The customer was erased. This is the receipt."))
                    return redirect(receipt_url(receipt))
            else:
                refusal = gettext("The name you typed is not the name of this customer. Nothing was erased.")
        context = {
            **self.admin_site.each_context(request),
            "title": gettext("Erase %(name)s") % {"name": contact.display_name},
            "person": contact,
            "of_person": of_person,
            "counts": _totals([erasure.counts_of(each) for each in of_person]),
            "meta_blocks": moderation.is_blocked_at_meta(contact),
            "conversation": contact.conversations.order_by("-last_message_at").first(),
            "refusal": refusal,
            "typed_name": typed_name,
        }
        return render(request, "tickets/setup/erase.html", context, status=422 if refusal else 200)


def _totals(counts: list[dict[str, int]]) -> dict[str, int]:
    return {name: sum(each[name] for each in counts) for name in counts[0]}


@admin.register(Erasure)
class ErasureAdmin(ReadOnlyAdmin[Erasure]):
    """The receipts of erasures. A search for a page-scoped id finds the receipt of that customer; nothing else can."""

    list_title = sentence("Erasure log")
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
            (
                gettext("Receipt"),
                gettext("Page"),
                pgettext("a column with times", "Erased"),
                gettext("By"),
                gettext("How much"),
                gettext("State"),
            ),
            rows,
            pager,
            Empty(
                gettext("Nobody was erased yet"),
                gettext("Erase a customer from the list of customers. The receipt is kept here."),
            ),
            search_words=gettext("Confirmation code or page-scoped id"),
            chips=(asked.chips("by", _shown(ERASED_BY)),),
        )

    def change_view(self, request: HttpRequest, object_id: str, *args: Any, **kwargs: Any) -> HttpResponse:
        """Show the receipt for printing; with `?download`, send it as an HTML file."""
        if not self.has_view_permission(request):
            raise PermissionDenied
        receipt = self.get_object(request, object_id)
        if receipt is None:
            raise Http404(gettext("There is no such receipt."))
        if "download" in request.GET:
            page = render_to_string("tickets/export/receipt.html", {"receipt": receipt})
            name = f"receipt-{receipt.confirmation_code}.html"
            return HttpResponse(page, headers={"Content-Disposition": f'attachment; filename="{name}"'})
        context = {**self.admin_site.each_context(request), "title": gettext("Receipt"), "receipt": receipt}
        return render(request, "tickets/setup/receipt.html", context)


def _shown(choices: dict[str, str]) -> list[tuple[str, str]]:
    return [(value, translated(text)) for value, text in choices.items()]


def receipt_url(receipt: Erasure) -> str:
    return reverse("admin:tickets_erasure_change", args=[receipt.pk])

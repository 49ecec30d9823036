"""The pages of contacts: the list, one contact with its timeline, and marking contacts as the same person."""

from typing import Any
from urllib.parse import urlencode

from django.contrib import messages as flash
from django.http import Http404, HttpResponse, HttpResponseBase
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import reverse
from django.utils.translation import gettext
from django.views.decorators.http import require_POST, require_safe

from desk import exports
from desk.errors import Refused
from desk.file_response import download
from desk.languages import translated
from tickets.models import ContactNote
from tickets.rules.same_person import ITSELF
from tickets.services.conversation import contact_notes, contacts, persons
from tickets.services.inbox import contact_list, contact_page, field_filters
from tickets.services.inbox.contact_page import Seen
from tickets.services.privacy import erasure
from tickets.services.privacy import export as export_service
from tickets.views import field_choices
from tickets.views.base import AgentRequest, agent_page, parse_id

MAX_QUERY = 200  # characters
MAX_CURSOR = 500  # characters: a name in small letters, of which "İ" has two, and an id
RAIL = {"rail_here": "contacts"}


@require_safe
@agent_page
def index(request: AgentRequest) -> HttpResponse:
    """Show the list of contacts, `?q=`, `?sort=` and custom fields of them, after the cursor `?after=`."""
    query = request.GET.get("q", "").strip()[:MAX_QUERY]
    sort = request.GET.get("sort", "")
    sort = sort if sort in contact_list.SORTS else contact_list.RECENT
    after = request.GET.get("after", "")[:MAX_CURSOR]
    fields, known = field_filters.read(request.GET), contact_list.known_fields(request.facts)
    page = contact_list.page_of(request.user, request.facts, query, sort, after, fields=fields)
    own = {"q": query, "sort": sort if sort != contact_list.RECENT else ""}
    parameters = {**own, **fields.to_query()}
    context = {
        **RAIL,
        "page": page,
        "query": query,
        "sort": sort,
        "fields": fields,
        "field_form": field_choices.form(fields, known),
        "chips": [
            {
                "label": f"{title}: {words}",
                "without": _query({**own, **fields.without(name, value).to_query()}),
                "is_lost": is_lost,
            }
            for name, value, title, words, is_lost in field_choices.chips(fields, known)
        ],
        "is_first": not after,
        "first": _query(parameters),
        "next": _query({**parameters, "after": page.after}) if page.after else "",
    }
    return render(request, "tickets/contacts/list.html", context)


@require_safe
@agent_page
def contact(request: AgentRequest, contact_id: int) -> HttpResponse:
    """Show a contact: facts, notes, the person's timeline before the cursor `?before=`, and shared files."""
    return _show(request, contact_page.get(request.user, request.facts, contact_id))


@require_POST
@agent_page
def save(request: AgentRequest, contact_id: int) -> HttpResponse:
    """Save the details agents write (contacts.EDITABLE); 422 with the reason and what was typed when one is invalid."""
    seen = contact_page.get(request.user, request.facts, contact_id)
    typed = {name: request.POST.get(name, "") for name in contacts.EDITABLE}
    try:
        contact_page.require_work(request.facts, seen)
        contacts.save_details(request.user, seen.contact, typed)
    except Refused as refused:
        return _show(request, seen, refusal=str(refused), typed=typed)
    return _back(request, seen, gettext("Saved."))


@require_POST
@agent_page
def add_note(request: AgentRequest, contact_id: int) -> HttpResponse:
    """Add a note about the contact; 422 with the reason and the text when it cannot be saved."""
    seen = contact_page.get(request.user, request.facts, contact_id)
    text = request.POST.get("text", "")
    try:
        contact_notes.add(request.user, seen.contact, text)
    except Refused as refused:
        return _show(request, seen, note_refusal=str(refused), note_text=text)
    return _back(request, seen, gettext("The note was added."))


@require_POST
@agent_page
def change_note(request: AgentRequest, contact_id: int, note_id: int) -> HttpResponse:
    """Save the user's own note, or delete it when the button `delete` was pressed; 422 with the reason."""
    seen = contact_page.get(request.user, request.facts, contact_id)
    about = [each.pk for each in seen.contacts]
    note = get_object_or_404(ContactNote.objects.select_related("contact"), pk=note_id, contact__in=about)
    text = request.POST.get("text", "")
    try:
        if "delete" in request.POST:
            contact_notes.delete(request.user, note)
            return _back(request, seen, gettext("The note was deleted."))
        contact_notes.change(request.user, note, text)
    except Refused as refused:
        return _show(request, seen, note_refusal=str(refused), edited_note=note.pk, edited_text=text)
    return _back(request, seen, gettext("The note was saved."))


@agent_page
def same_person(request: AgentRequest, contact_id: int) -> HttpResponse:
    """GET: search for a contact (`?q=`), or show what comes together with one (`?with=`). POST: merge with `with`."""
    seen = contact_page.get(request.user, request.facts, contact_id)
    if seen.contact.erased_at:
        raise Http404("An erased contact has no other.")  # English only: no page shows it
    sent = request.POST if request.method == "POST" else request.GET
    chosen = parse_id(sent.get("with", ""))
    other = contact_page.get(request.user, request.facts, chosen) if chosen is not None else None
    refusal = ""
    if request.method == "POST" and other is None:
        refusal = ITSELF
    elif request.method == "POST" and other is not None:
        try:
            for one in (seen, other):
                contact_page.require_work(request.facts, one)
            persons.merge(request.user, seen.contact, other.contact)
        except Refused as refused:
            refusal = str(refused)
        else:
            return _back(request, seen, gettext("They are marked as the same person. You can separate them any time."))
    query = request.GET.get("q", "").strip()[:MAX_QUERY]
    after = request.GET.get("after", "")[:MAX_CURSOR]
    found = None
    if query and other is None:
        found = contact_list.page_of(
            request.user, request.facts, query, contact_list.BY_NAME, after, without=seen.contact
        )
    context = {
        **RAIL,
        "seen": seen,
        "contact": seen.contact,
        "other": other,
        "both": [seen, other] if other else [],
        "query": query,
        "found": found,
        "next": _query({"q": query, "after": found.after}) if found and found.after else "",
        "refusal": refusal,
    }
    return render(request, "tickets/contacts/same_person.html", context, status=422 if refusal else 200)


@require_POST
@agent_page
def separate(request: AgentRequest, contact_id: int) -> HttpResponse:
    """Separate the contact `member` of the person, which the user must see, from the others."""
    seen = contact_page.get(request.user, request.facts, contact_id)
    member = parse_id(request.POST.get("member", ""))
    leaving = next((each for each in seen.contacts if each.pk == member and seen.others), None)
    try:
        contact_page.require_work(request.facts, seen)
        if leaving is None:
            raise Refused(gettext("This customer was separated already."))
        persons.separate(request.user, leaving)
    except Refused as refused:
        return _show(request, seen, refusal=str(refused))
    return _back(request, seen, gettext("They are separate customers again."))


@require_POST
@agent_page
def export(request: AgentRequest, contact_id: int) -> HttpResponseBase:
    """Send all of the person in which the user works as a ZIP file; with internal notes when `notes` is "yes"."""
    seen = contact_page.get(request.user, request.facts, contact_id)
    with_notes = request.POST.get("notes") == "yes"
    try:
        own = contact_page.require_work(request.facts, seen)
        with exports.turn(request.user.pk):
            file = export_service.export_person(request.user, seen.contact, own, with_notes=with_notes)
    except Refused as refused:
        return _show(request, seen, refusal=str(refused))
    return download(request, file, export_service.file_name(own[0]), "application/zip")


def _show(request: AgentRequest, seen: Seen, **extra: Any) -> HttpResponse:
    entries, following = contact_page.timeline_of(seen, request.GET.get("before", "")[:MAX_CURSOR])
    channels = {each.pk: each for each in seen.conversations}
    refusal = extra.get("refusal") or extra.get("note_refusal")
    contact = seen.contact
    context = {
        **RAIL,
        "seen": seen,
        "contact": contact,
        "conversation": seen.conversation_of(contact),
        "others": [(each, seen.conversation_of(each)) for each in seen.others],
        "entries": [(entry, channels.get(getattr(entry.shown, "conversation_id", 0))) for entry in entries],
        "before": request.GET.get("before", ""),
        "next": _query({"before": following}) if following else "",
        "notes": contact_notes.about([each.pk for each in seen.contacts])[: contact_page.TIMELINE_SIZE],
        "files": contact_page.files_of(seen),
        "typed": {name: getattr(contact, name) for name in contacts.EDITABLE},
        "note_limit": contact_notes.LIMIT,
        "may_work": contact_page.may_work(request.facts, seen),
        "may_erase": erasure.may_erase(request.user) and contact.erased_at is None,
        **extra,
    }
    return render(request, "tickets/contacts/contact.html", context, status=422 if refusal else 200)


def _back(request: AgentRequest, seen: Seen, message: str) -> HttpResponse:
    flash.success(request, translated(message))
    return redirect(reverse("contact", args=[seen.contact.pk]))


def _query(parameters: dict[str, str]) -> str:
    return "?" + urlencode({name: value for name, value in parameters.items() if value})

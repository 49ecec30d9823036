"""Link Facebook and Re-authenticate: the start, the decision when a login would break something, and failures."""

from typing import Any

from allauth.socialaccount.adapter import get_adapter
from allauth.socialaccount.models import SocialApp
from django.conf import settings
from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect
from django.urls import reverse
from django.views.decorators.http import require_POST

from channels_im.models import Channel, Page, PendingLink
from channels_im.services.facebook import linking as service
from channels_im.setup import drafts
from channels_im.setup.access import ADD_CHANNEL, CHANGE_CHANNEL, LINK_FACEBOOK, may, page, setup_view


@setup_view(*LINK_FACEBOOK)
@require_POST
def start(request: HttpRequest) -> HttpResponse:
    """Keep what was typed and go to Facebook's dialog. Posted by Add Channel, or with `channel` by Edit Channel."""
    channel = None
    if request.POST.get("channel", "").isdecimal():
        channel = get_object_or_404(Channel.objects.existing(), pk=request.POST["channel"])
    if "name" in request.POST and may(request.user, CHANGE_CHANNEL if channel else ADD_CHANNEL):
        _draft, refusal = drafts.keep(request, channel)
        if refusal:
            messages.error(request, f"The icon was not kept. {refusal}")
    return to_facebook(request, channel)


def to_facebook(request: HttpRequest, channel: Channel | None) -> HttpResponse:
    """Redirect to the dialog, which returns to Add Channel or to the channel whose page is re-authenticated."""
    try:
        provider = get_adapter(request).get_provider(request, "facebook")
    except SocialApp.DoesNotExist:
        return failed(
            request,
            "Desk does not know its Meta app yet. Set META_APP_ID and META_APP_SECRET and start Desk again.",
            channel=channel,
        )
    next_url = reverse("setup:messenger_edit", args=[channel.pk]) if channel else reverse("setup:messenger_add")
    return provider.redirect(
        request,
        process="connect",
        next_url=next_url,
        data={"channel": channel.pk if channel else None},
        # rerequest: without it Facebook never asks again for a permission that was declined once (Meta, "Re-asking").
        auth_params={**provider.get_auth_params(), "auth_type": "rerequest"},
        # Login for Business takes the permissions from its configuration.
        scope=[] if settings.META_LOGIN_CONFIG_ID else provider.get_scope(),
    )


@setup_view(*LINK_FACEBOOK)
def decide(request: HttpRequest) -> HttpResponse:
    """Show what a login would stop, and save it only after *Continue anyway*."""
    pending = PendingLink.objects.filter(user=request.user).first()
    if pending is None:
        messages.info(
            request, "There is no Facebook login to decide about. After an hour it is forgotten: log in again."
        )
        return redirect("setup:messenger")
    if request.method == "POST":
        if request.POST.get("decision") != "continue":
            service.discard(pending)
            messages.info(
                request,
                "The Facebook login was dropped, nothing of it was saved. Desk asks Facebook which Pages still work.",
            )
            return redirect(pending.next_url or "setup:messenger")
        try:
            result = service.continue_anyway(request.user, pending)
        except service.LinkError as refusal:
            return failed(request, str(refusal))
        tell(request, result)
        return redirect(pending.next_url or "setup:messenger")
    return page(request, "link_decide.html", "Before you continue", **_decision(pending))


def _decision(pending: PendingLink) -> dict[str, Any]:
    findings = pending.findings
    ids = [*findings.get("stays", []), *(pk for pk, _reason in findings.get("stops", []))]
    channels = {c.pk: c for c in Channel.objects.filter(pk__in=ids).select_related("page", "department")}
    target = Page.objects.filter(pk=findings.get("page")).first()
    return {
        "pending": pending,
        "colleague": findings.get("colleague", ""),
        "stays": [channels[pk] for pk in findings.get("stays", []) if pk in channels],
        "stops": [
            {"channel": channels[pk], "reason": Page.Reason(reason).label}
            for pk, reason in findings.get("stops", [])
            if pk in channels
        ],
        "channel": Channel.objects.existing().filter(page=target).first() if target else None,
    }


def tell(request: HttpRequest, result: service.LinkResult) -> None:
    """Say what a login brought."""
    count = len(result.pages)
    messages.success(
        request,
        f"You have successfully linked your Facebook account: {count} {'Page' if count == 1 else 'Pages'}.",
    )
    if result.healed:
        messages.success(request, f"Connected again: {_names(result.healed)}.")
    if result.stopped:
        messages.warning(request, f"Stopped until re-authenticated: {_names(result.stopped)}.")
    still = [p for p in result.account.pages.all() if not p.is_connected and p not in result.stopped]
    if still:
        messages.warning(request, f"Still to be re-authenticated, for this login did not give them: {_names(still)}.")
    if result.kept_elsewhere:
        messages.info(request, f"Left with the Facebook account they work with: {_names(result.kept_elsewhere)}.")
    for scope in result.declined:
        use = service.PERMISSION_USES.get(scope, "work")
        messages.warning(
            request, f"The permission {scope} was declined. Desk needs it to {use}; link again to grant it."
        )


def _names(pages: list[Page]) -> str:
    return ", ".join(f"“{page}”" for page in pages)


def failed(
    request: HttpRequest, sentence: str, *, channel: Channel | None = None, cancelled: bool = False
) -> HttpResponse:
    """Say in Setup why a login was not used, with a way to try again and a way back."""
    return page(
        request,
        "link_failed.html",
        "Facebook was not linked" if not cancelled else "The login was cancelled",
        status=200 if cancelled else 400,
        sentence=sentence,
        channel=channel,
        back_url=reverse("setup:messenger_edit", args=[channel.pk]) if channel else reverse("setup:messenger_add"),
    )


@setup_view(*LINK_FACEBOOK)
def by_allauth_address(request: HttpRequest) -> HttpResponse:
    """Guard allauth's own address of the Facebook login: it starts a link by an administrator, never a login."""
    if request.method == "POST" and request.POST.get("process") == "connect":
        return start(request)
    return redirect("setup:messenger_add")

"""Link Facebook and Re-authenticate: start a login, decide when it would break something, and show failures."""

from typing import Any

from allauth.socialaccount.adapter import get_adapter
from allauth.socialaccount.models import SocialApp
from django.conf import settings
from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect
from django.urls import reverse
from django.utils.translation import gettext, ngettext
from django.views.decorators.http import require_POST

from channels_im.models import Channel, Page, PendingLink
from channels_im.services.facebook import linking as service
from channels_im.services.facebook.grants import PERMISSION_USES, LinkError
from channels_im.setup import drafts
from channels_im.setup.access import ADD_CHANNEL, CHANGE_CHANNEL, LINK_FACEBOOK, may, page, setup_view
from desk.languages import joined, quoted, translated
from desk.requests import UserRequest


@setup_view(*LINK_FACEBOOK)
@require_POST
def start(request: UserRequest) -> HttpResponse:
    """Save what was typed as a draft and go to Facebook's dialog.

    Add Channel posts to it, and Edit Channel with the parameter `channel`.
    """
    channel = None
    if (asked := request.POST.get("channel", "")).isdecimal():
        channel = get_object_or_404(Channel.objects.existing(), pk=int(asked) if len(asked) < 19 else 0)
    if "name" in request.POST and may(request.user, CHANGE_CHANNEL if channel else ADD_CHANNEL):
        _draft, refusal = drafts.keep(request, channel)
        if refusal:
            messages.error(request, " ".join((gettext("The icon was not saved."), translated(refusal))))
    return to_facebook(request, channel)


def to_facebook(request: HttpRequest, channel: Channel | None) -> HttpResponse:
    """Redirect to Facebook's dialog, which returns to Add Channel or to the channel that is re-authenticated."""
    try:
        provider = get_adapter(request).get_provider(request, "facebook")
    except SocialApp.DoesNotExist:
        return failed(
            request,
            gettext("Desk has no Meta app yet. Set META_APP_ID and META_APP_SECRET and restart Desk."),
            channel=channel,
        )
    next_url = reverse("setup:messenger_edit", args=[channel.pk]) if channel else reverse("setup:messenger_add")
    return provider.redirect(
        request,
        process="connect",
        next_url=next_url,
        data={"channel": channel.pk if channel else None},
        # Without rerequest, Facebook never asks again for a permission that was declined once (Meta, "Re-asking").
        auth_params={**provider.get_auth_params(), "auth_type": "rerequest"},
        # Login for Business takes the permissions from its configuration.
        scope=[] if settings.META_LOGIN_CONFIG_ID else provider.get_scope(),
    )


@setup_view(*LINK_FACEBOOK)
def decide(request: UserRequest) -> HttpResponse:
    """Show what a login would stop, and save it only after *Continue anyway*."""
    pending = PendingLink.objects.filter(user=request.user).first()
    if pending is None:
        messages.info(
            request,
            gettext("No Facebook login is waiting for a decision. Logins are discarded after an hour: log in again."),
        )
        return redirect("setup:messenger")
    if request.method == "POST":
        if request.POST.get("decision") != "continue":
            service.discard(pending)
            messages.info(
                request,
                gettext(
                    "The Facebook login was discarded, and nothing was saved. Desk is checking which Pages still work."
                ),
            )
            return redirect(pending.next_url or "setup:messenger")
        try:
            result = service.continue_anyway(request.user, pending)
        except LinkError as refusal:
            return failed(request, str(refusal))
        show_result(request, result)
        return redirect(pending.next_url or "setup:messenger")
    return page(request, "link_decide.html", gettext("Before you continue"), **_decision(pending))


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


def show_result(request: HttpRequest, result: service.LinkResult) -> None:
    """Add messages about what a login changed."""
    count = len(result.pages)
    linked = ngettext(
        "You have successfully linked your Facebook account: %(count)s Page.",
        "You have successfully linked your Facebook account: %(count)s Pages.",
        count,
    )
    messages.success(request, linked % {"count": count})
    if result.healed:
        messages.success(request, gettext("Connected again: %(pages)s.") % {"pages": _names(result.healed)})
    if result.stopped:
        messages.warning(
            request, gettext("Stopped until re-authenticated: %(pages)s.") % {"pages": _names(result.stopped)}
        )
    waiting = [p for p in result.account.pages.all() if not p.is_connected and p not in result.stopped]
    if waiting:
        not_granted = gettext("Not granted by this login, so still to be re-authenticated: %(pages)s.")
        messages.warning(request, not_granted % {"pages": _names(waiting)})
    if result.kept_elsewhere:
        messages.info(
            request,
            gettext("Still with their other Facebook account: %(pages)s.") % {"pages": _names(result.kept_elsewhere)},
        )
    for scope in result.declined:
        if use := PERMISSION_USES.get(scope):
            declined = gettext(
                "The permission %(permission)s was declined. Desk needs it for this: %(use)s. Link again to grant it."
            )
            messages.warning(request, declined % {"permission": scope, "use": translated(use)})
        else:
            declined = gettext("The permission %(permission)s was declined. Desk needs it. Link again to grant it.")
            messages.warning(request, declined % {"permission": scope})


def _names(pages: list[Page]) -> str:
    return joined(map(quoted, pages))


def failed(
    request: HttpRequest, sentence: str, *, channel: Channel | None = None, cancelled: bool = False
) -> HttpResponse:
    """Show why a login was not used, with a way to try again and a way back."""
    return page(
        request,
        "link_failed.html",
        gettext("Facebook was not linked") if not cancelled else gettext("The login was cancelled"),
        status=200 if cancelled else 400,
        sentence=sentence,
        channel=channel,
        back_url=reverse("setup:messenger_edit", args=[channel.pk]) if channel else reverse("setup:messenger_add"),
    )


@setup_view(*LINK_FACEBOOK)
def by_allauth_address(request: UserRequest) -> HttpResponse:
    """Serve allauth's own URL of the Facebook login: it links an account for an administrator and never logs in."""
    if request.method == "POST" and request.POST.get("process") == "connect":
        return start(request)
    return redirect("setup:messenger_add")

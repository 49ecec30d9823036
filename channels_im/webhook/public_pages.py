"""The pages without a login whose addresses Meta asks for: the privacy policy, and how data are deleted."""

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.views.decorators.http import require_safe

from channels_im.services.go_live import policy


@require_safe
def privacy_policy(request: HttpRequest) -> HttpResponse:
    """Show the privacy policy to anyone; 404 until an administrator has published one."""
    published = policy.get()
    blocks = policy.blocks(published.text, published.contact) if published else []
    context = {"policy": published, "blocks": blocks}
    return render(request, "channels_im/privacy_policy.html", context, status=200 if published else 404)


@require_safe
def data_deletion_help(request: HttpRequest) -> HttpResponse:
    """Tell anyone how people have their data deleted, and what remains."""
    return render(request, "channels_im/data_deletion_help.html", {"policy": policy.get()})

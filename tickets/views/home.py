"""The front door."""

from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect


@login_required
def home(request: HttpRequest) -> HttpResponse:
    """Agents to their inbox, administrators who are no agents to Setup."""
    if request.user.is_staff and not hasattr(request.user, "agent"):
        return redirect("admin:index")
    return redirect("inbox")

"""The page at `/`."""

from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect


@login_required
def home(request: HttpRequest) -> HttpResponse:
    """Redirect agents to their inbox, and administrators who are not agents to Setup."""
    if request.user.is_staff and not hasattr(request.user, "agent"):
        return redirect("admin:index")
    return redirect("inbox")

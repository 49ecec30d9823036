"""Types of requests for views that run only after a check."""

from django.http import HttpRequest

from desk.models import User


class UserRequest(HttpRequest):
    """A request of a user who is logged in. It is only a type: Django makes the request.

    The checks that ensure it are `tickets.views.base.agent_page` and `channels_im.setup.access.setup_view`.
    """

    user: User

"""The URLs of Desk."""

from django.contrib import admin
from django.http import Http404, HttpRequest, HttpResponse
from django.urls import include, path

from channels_im import webhook
from channels_im.setup import linking
from channels_im.webhook import callbacks
from channels_im.webhook import views as webhook_views
from desk import health, metrics_page
from desk.accounts import views as account_views
from tickets.api.schema_page import SchemaView
from tickets.views.setup import retention


def closed(request: HttpRequest) -> HttpResponse:
    """Answer 404."""
    raise Http404


handler500 = "desk.unavailable.server_error"
urlpatterns = [
    path("healthz", health.healthz, name="healthz"),
    path("metrics", metrics_page.show, name="metrics"),
    path("readyz", health.readyz, name="readyz"),
    path(webhook.PATH.removeprefix("/"), webhook_views.messenger, name="webhook"),
    path("meta/deauthorize/", callbacks.deauthorize, name="deauthorize"),
    path("meta/data-deletion/", callbacks.delete_data, name="data_deletion"),
    path("meta/data-deletion/<slug:code>/", callbacks.status, name="data_request_status"),
    # Facebook is linked, not used to log in: of allauth's views for it only the guarded one and the callback are open.
    path("accounts/facebook/login/", linking.by_allauth_address),
    path("accounts/facebook/login/token/", closed),
    path("accounts/3rdparty/", closed),
    path("accounts/3rdparty/signup/", closed),
    path("accounts/sessions/", account_views.sessions, name="sessions"),
    path("accounts/", include("allauth.urls")),
    path("admin/instant-messaging/", include("channels_im.setup.urls")),
    path("admin/programs/", include("tickets.views.setup.urls")),
    path("admin/retention/", retention.show, name="retention"),
    path("admin/", admin.site.urls),
    path("api/schema/", SchemaView.as_view(), name="api-schema"),
    path("api/v1/", include("tickets.api.urls")),
    path("", include("tickets.urls")),
]

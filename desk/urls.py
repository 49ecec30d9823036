"""The URLs of Desk."""

from django.contrib import admin
from django.http import Http404, HttpRequest, HttpResponse
from django.urls import include, path

from channels_im import webhook
from channels_im.setup import linked_accounts, linking
from channels_im.webhook import callbacks, public_pages
from channels_im.webhook import views as webhook_views
from desk import health, metrics_page, script_texts
from desk.accounts import invitation_page, kept_forms, own_account
from desk.accounts import views as account_views
from tickets.api.schema_page import SchemaView
from tickets.views import notification_settings, own_canned_replies, own_macros, web_app
from tickets.views.setup import assignment, going_live, retention


def closed(request: HttpRequest, rest: str = "") -> HttpResponse:
    """Answer 404."""
    raise Http404


handler400 = "desk.error_pages.handler_400"
handler403 = "desk.error_pages.handler_403"
handler404 = "desk.error_pages.handler_404"
handler429 = "desk.error_pages.handler_429"  # of allauth
handler500 = "desk.unavailable.server_error"
urlpatterns = [
    path("healthz", health.healthz, name="healthz"),
    path("metrics", metrics_page.show, name="metrics"),
    path("readyz", health.readyz, name="readyz"),
    path("manifest.webmanifest", web_app.manifest, name="manifest"),
    path("service-worker.js", web_app.service_worker, name="service_worker"),
    path("offline/", web_app.offline, name="offline"),
    path("texts/<str:language>/<str:version>.js", script_texts.show, name="script_texts"),
    path(webhook.PATH.removeprefix("/"), webhook_views.messenger, name="webhook"),
    path("meta/deauthorize/", callbacks.deauthorize, name="deauthorize"),
    path("meta/data-deletion/", callbacks.delete_data, name="data_deletion"),
    path("meta/data-deletion/<slug:code>/", callbacks.status, name="data_request_status"),
    path("privacy/", public_pages.privacy_policy, name="privacy_policy"),
    path("privacy/data-deletion/", public_pages.data_deletion_help, name="data_deletion_help"),
    # Facebook is linked, not used to log in: of allauth's views for it only the guarded one and the callback are open.
    path("accounts/facebook/login/", linking.by_allauth_address),
    path("accounts/facebook/login/token/", closed),
    path("accounts/3rdparty/", closed),
    path("accounts/3rdparty/<path:rest>", closed),
    path("accounts/social/<path:rest>", closed),
    path("accounts/", own_account.home, name="account_home"),
    path("accounts/email/", own_account.email, name="account_email"),
    path("accounts/notifications/", notification_settings.show, name="account_notifications"),
    path("accounts/notifications/browser/", notification_settings.browser, name="account_notifications_browser"),
    path("accounts/notifications/remove/", notification_settings.remove, name="account_notifications_remove"),
    path("accounts/notifications/test/", notification_settings.test, name="account_notifications_test"),
    path("accounts/canned-replies/", own_canned_replies.show, name="own_canned_replies"),
    path("accounts/canned-replies/add/", own_canned_replies.edit, name="own_canned_reply_add"),
    path("accounts/canned-replies/files/<int:pk>/", own_canned_replies.file, name="own_canned_reply_file"),
    path("accounts/canned-replies/<int:pk>/", own_canned_replies.edit, name="own_canned_reply"),
    path("accounts/canned-replies/<int:pk>/delete/", own_canned_replies.delete, name="own_canned_reply_delete"),
    path("accounts/macros/", own_macros.show, name="own_macros"),
    path("accounts/macros/add/", own_macros.edit, name="own_macro_add"),
    path("accounts/macros/<int:pk>/", own_macros.edit, name="own_macro"),
    path("accounts/macros/<int:pk>/copy/", own_macros.copy, name="own_macro_copy"),
    path("accounts/macros/<int:pk>/delete/", own_macros.delete, name="own_macro_delete"),
    path("accounts/linked-facebook/", linked_accounts.show, name="account_facebook"),
    path("accounts/session/", own_account.session_state, name="session_state"),
    path("accounts/again/", own_account.logged_in_again, name="logged_in_again"),
    path("accounts/kept/", kept_forms.kept_form, name="kept_form"),
    path("accounts/invitation/<str:token>/", invitation_page.show, name="invitation"),
    path("accounts/sessions/", account_views.sessions, name="sessions"),
    path("accounts/", include("allauth.urls")),
    path("admin/instant-messaging/messenger/go-live/test/", going_live.choose, name="go_live_test"),
    path("admin/instant-messaging/messenger/go-live/test/<int:pk>/", going_live.show, name="go_live_test_message"),
    path("admin/instant-messaging/preferences/assignment/", assignment.show, name="assignment"),
    path("admin/instant-messaging/", include("channels_im.setup.urls")),
    path("admin/programs/", include("tickets.views.setup.urls")),
    path("admin/canned-replies/", include("tickets.views.setup.canned_urls")),
    path("admin/macros/", include("tickets.views.setup.macro_urls")),
    path("admin/labels/", include("tickets.views.setup.label_urls")),
    path("admin/fields/", include("tickets.views.setup.field_urls")),
    path("admin/people/", include("tickets.views.setup.people.urls")),
    path("admin/retention/", retention.show, name="retention"),
    path("admin/", admin.site.urls),
    path("api/schema/", SchemaView.as_view(), name="api-schema"),
    path("api/v1/", include("tickets.api.urls")),
    path("", include("tickets.urls")),
]

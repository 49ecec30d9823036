"""URLs under /api/v1/."""

from django.urls import path, re_path
from rest_framework.routers import DefaultRouter

from tickets.api import contacts, directory, views
from tickets.api.actions import NotesView
from tickets.api.export import AttachmentContentView

app_name = "api"


class Router(DefaultRouter):
    include_format_suffixes = False  # JSON is the only format
    APIRootView = views.RootView


router = Router()
router.register("channels", views.ChannelViewSet, basename="channel")
router.register("conversations", views.ConversationViewSet, basename="conversation")
router.register("tickets", views.TicketViewSet, basename="ticket")
router.register("messages", views.MessageViewSet, basename="message")
router.register("contacts", directory.ContactViewSet, basename="contact")
router.register("erasures", contacts.ErasureViewSet, basename="erasure")
router.register("departments", directory.DepartmentViewSet, basename="department")
router.register("agents", directory.AgentViewSet, basename="agent")
router.register("canned-replies", directory.CannedReplyViewSet, basename="canned-reply")
router.register("templates", directory.TemplateViewSet, basename="template")

urlpatterns = [
    path("attachments/<int:pk>/content/", AttachmentContentView.as_view(), name="attachment-content"),
    path("canned-reply-files/<int:pk>/content/", directory.CannedReplyFileView.as_view(), name="canned-reply-file"),
    path("notes/", NotesView.as_view(), name="notes"),
    *router.urls,
    re_path(r".+/$", views.UnknownURLView.as_view()),  # with the slash, so that APPEND_SLASH still works
]

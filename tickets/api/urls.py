"""URLs under /api/v1/."""

from django.urls import path, re_path
from rest_framework.routers import DefaultRouter

from tickets.api import (
    canned_replies,
    contact_notes,
    contacts,
    directory,
    field_definitions,
    labels,
    macros,
    notes,
    saved_views,
    scheduled,
    subscriptions,
    views,
)
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
router.register("contact-notes", contact_notes.ContactNoteViewSet, basename="contact-note")
router.register("erasures", contacts.ErasureViewSet, basename="erasure")
router.register("departments", directory.DepartmentViewSet, basename="department")
router.register("agents", directory.AgentViewSet, basename="agent")
router.register("canned-replies", canned_replies.CannedReplyViewSet, basename="canned-reply")
router.register("labels", labels.LabelViewSet, basename="label")
router.register("macros", macros.MacroViewSet, basename="macro")
router.register("scheduled-replies", scheduled.ScheduledReplyViewSet, basename="scheduled-reply")
router.register("views", saved_views.SavedViewViewSet, basename="view")
router.register("mentions", notes.MentionViewSet, basename="mention")
router.register("fields", field_definitions.DefinitionViewSet, basename="field")
router.register("webhooks", subscriptions.WebhookViewSet, basename="webhook")
router.register("templates", directory.TemplateViewSet, basename="template")

urlpatterns = [
    path("attachments/<int:pk>/content/", AttachmentContentView.as_view(), name="attachment-content"),
    path(
        "canned-reply-files/<int:pk>/content/", canned_replies.CannedReplyFileView.as_view(), name="canned-reply-file"
    ),
    path(
        "scheduled-reply-files/<int:pk>/content/",
        scheduled.ScheduledReplyFileView.as_view(),
        name="scheduled-reply-file",
    ),
    path("notes/", notes.NotesView.as_view(), name="notes"),
    path("notes/<int:pk>/", notes.NoteView.as_view(), name="note"),
    *router.urls,
    re_path(r".+/$", views.UnknownURLView.as_view()),  # with the slash, so that APPEND_SLASH still works
]

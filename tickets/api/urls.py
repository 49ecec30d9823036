"""Addresses under /api/v1/."""

from django.urls import path, re_path
from rest_framework.routers import DefaultRouter

from . import views
from .content import AttachmentContentView

app_name = "api"


class Router(DefaultRouter):
    include_format_suffixes = False  # JSON is the only format


router = Router()
router.register("channels", views.ChannelViewSet, basename="channel")
router.register("conversations", views.ConversationViewSet, basename="conversation")
router.register("tickets", views.TicketViewSet, basename="ticket")
router.register("messages", views.MessageViewSet, basename="message")

urlpatterns = [
    path("attachments/<int:pk>/content/", AttachmentContentView.as_view(), name="attachment-content"),
    *router.urls,
    re_path(r".+/$", views.NothingHere.as_view()),  # with the slash, so that Django still adds one where it is missing
]

"""The pages of Instant Messaging in Setup, below /admin/instant-messaging/."""

from django.urls import path

from channels_im.setup import (
    channels,
    health,
    history_import,
    journal,
    lifecycle,
    linking,
    message_templates,
    pictures,
    preferences,
)

app_name = "setup"
urlpatterns = [
    path("", channels.kinds, name="instant_messaging"),
    path("messenger/", channels.list_channels, name="messenger"),
    path("messenger/add/", channels.add, name="messenger_add"),
    path("messenger/add/start-again/", channels.start_again, name="messenger_start_again"),
    path("messenger/<int:pk>/", channels.edit, name="messenger_edit"),
    path("messenger/<int:pk>/checks/", channels.checks, name="messenger_checks"),
    path("messenger/<int:pk>/check-now/", channels.check_now, name="messenger_check_now"),
    path("messenger/<int:pk>/history/", history_import.show, name="messenger_history"),
    path("messenger/<int:pk>/history/start/", history_import.start, name="messenger_history_start"),
    path("messenger/<int:pk>/history/pause/", history_import.pause, name="messenger_history_pause"),
    path("messenger/<int:pk>/history/resume/", history_import.resume, name="messenger_history_resume"),
    path("messenger/<int:pk>/history/cancel/", history_import.cancel, name="messenger_history_cancel"),
    path("messenger/<int:pk>/deactivate/", lifecycle.deactivate, name="messenger_deactivate"),
    path("messenger/<int:pk>/activate/", lifecycle.activate, name="messenger_activate"),
    path("messenger/<int:pk>/delete/", lifecycle.delete, name="messenger_delete"),
    path("messenger/<int:pk>/take-in/", lifecycle.take_in, name="messenger_take_in"),
    path("messenger/<int:pk>/templates/", message_templates.show, name="message_templates"),
    path("messenger/<int:pk>/templates/add/", message_templates.add, name="template_add"),
    path("messenger/<int:pk>/templates/library/", message_templates.library, name="template_library"),
    path("messenger/<int:pk>/templates/<int:template>/delete/", message_templates.delete, name="template_delete"),
    path("messenger/link/", linking.start, name="link_start"),
    path("messenger/link/decide/", linking.decide, name="link_decide"),
    path("preferences/", preferences.show, name="preferences"),
    path("preferences/<int:department>/agents/<int:agent>/", preferences.associate, name="associate"),
    path("health/", health.show, name="health"),
    path("health/check-now/", health.check_all, name="health_check_all"),
    path("health/<int:pk>/recover/", health.recover, name="health_recover"),
    path("health/test-mail/", health.send_test_mail, name="health_test_mail"),
    path("journal/", journal.list_deliveries, name="journal"),
    path("journal/replay-failed/", journal.replay_failed, name="journal_replay_failed"),
    path("journal/<int:pk>/", journal.show, name="journal_entry"),
    path("journal/<int:pk>/replay/", journal.replay_one, name="journal_replay"),
    path("icons/<int:pk>/", pictures.channel_icon, name="channel_icon"),
    path("icons/draft/<int:pk>/", pictures.draft_icon, name="draft_icon"),
    path("pictures/<int:pk>/", pictures.page_picture, name="page_picture"),
]

"""URLs of the agent's workspace."""

from django.urls import path

from tickets.views import actions, bulk, compose, contact, files, home, inbox, presence, reactions

urlpatterns = [
    path("", home.home, name="home"),
    path("inbox/", inbox.inbox, name="inbox"),
    path("inbox/list/", inbox.strip, name="inbox_list"),
    path("inbox/rows/", inbox.rows, name="inbox_rows"),
    path("inbox/bulk/", bulk.act, name="inbox_bulk"),
    path("inbox/bulk/colleagues/", bulk.colleagues, name="inbox_bulk_colleagues"),
    path("inbox/me/", presence.me, name="inbox_me"),
    path("inbox/news/", presence.newest, name="inbox_news"),
    path("inbox/find/", presence.find, name="inbox_find"),
    path("inbox/files/", compose.check_file, name="inbox_check_file"),
    path("inbox/pages/<int:page_id>/picture/", files.page_picture, name="page_picture"),
    path("inbox/channels/<int:channel_id>/icon/", files.channel_icon, name="channel_icon"),
    path("inbox/<int:conversation_id>/", inbox.conversation, name="conversation"),
    path("inbox/<int:conversation_id>/messages/", inbox.messages, name="conversation_messages"),
    path("inbox/<int:conversation_id>/reply/", compose.reply, name="conversation_reply"),
    path("inbox/<int:conversation_id>/stickers/", compose.sticker_choice, name="conversation_stickers"),
    path("inbox/<int:conversation_id>/templates/", compose.template_choice, name="conversation_templates"),
    path("inbox/<int:conversation_id>/draft/", compose.draft, name="conversation_draft"),
    path("inbox/<int:conversation_id>/read/", inbox.read, name="conversation_read"),
    path("inbox/<int:conversation_id>/onlookers/", presence.conversation_viewers, name="conversation_onlookers"),
    path("inbox/<int:conversation_id>/picture/", files.contact_picture, name="contact_picture"),
    path("inbox/<int:conversation_id>/files/<int:attachment_id>/", files.attachment, name="attachment"),
    path("inbox/<int:conversation_id>/files/<int:attachment_id>/again/", files.try_again, name="attachment_again"),
    path("inbox/<int:conversation_id>/canned-files/<int:file_id>/", files.canned_file, name="canned_file"),
    path("inbox/<int:conversation_id>/export/", contact.export, name="conversation_export"),
    path("inbox/<int:conversation_id>/person/", contact.save, name="conversation_person"),
    path("inbox/<int:conversation_id>/typing/", reactions.typing, name="conversation_typing"),
    path("inbox/<int:conversation_id>/messages/<int:message_id>/react/", reactions.react, name="message_react"),
    path(
        "inbox/<int:conversation_id>/messages/<int:message_id>/<slug:choice>/",
        compose.settle,
        name="message_settle",
    ),
    path("inbox/<int:conversation_id>/<slug:action>/", actions.act, name="conversation_act"),
]

"""URLs below /admin/canned-replies/."""

from django.urls import path

from . import canned_replies

app_name = "canned"
urlpatterns = [
    path("", canned_replies.show, name="list"),
    path("add/", canned_replies.add, name="add"),
    path("import/", canned_replies.import_file, name="import"),
    path("export/", canned_replies.export, name="export"),
    path("files/<int:pk>/", canned_replies.file, name="file"),
    path("<int:pk>/", canned_replies.edit, name="edit"),
    path("<int:pk>/delete/", canned_replies.delete, name="delete"),
]

"""URLs below /admin/labels/."""

from django.urls import path

from . import labels

app_name = "labels"
urlpatterns = [
    path("", labels.show, name="list"),
    path("add/", labels.add, name="add"),
    path("<int:pk>/", labels.edit, name="edit"),
    path("<int:pk>/merge/", labels.merge, name="merge"),
    path("<int:pk>/delete/", labels.delete, name="delete"),
]

"""URLs below /admin/macros/."""

from django.urls import path

from . import macros

app_name = "macros"
urlpatterns = [
    path("", macros.show, name="list"),
    path("add/", macros.add, name="add"),
    path("<int:pk>/", macros.edit, name="edit"),
    path("<int:pk>/copy/", macros.copy, name="copy"),
    path("<int:pk>/delete/", macros.delete, name="delete"),
]

"""URLs below /admin/fields/."""

from django.urls import path

from . import field_choices, fields

app_name = "fields"
urlpatterns = [
    path("", fields.show, name="list"),
    path("add/", fields.add, name="add"),
    path("<int:pk>/", fields.edit, name="edit"),
    path("<int:pk>/move/", fields.move, name="move"),
    path("<int:pk>/archive/", fields.archive, name="archive"),
    path("<int:pk>/restore/", fields.restore, name="restore"),
    path("<int:pk>/delete/", fields.delete, name="delete"),
    path("<int:pk>/choices/", field_choices.change, name="choices"),
    path("<int:pk>/choices/<slug:choice>/remove/", field_choices.remove, name="choice_remove"),
]

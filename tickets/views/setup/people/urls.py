"""URLs below /admin/people/."""

from django.urls import path

from . import csv_import, invitation, lifecycle, lists, own_roles, person

app_name = "people"
urlpatterns = [
    path("", lists.show, name="list"),
    path("invite/", invitation.invite, name="invite"),
    path("import/", csv_import.show, name="import"),
    path("roles/", own_roles.show, name="roles"),
    path("roles/add/", own_roles.add, name="role_add"),
    path("roles/<int:pk>/", own_roles.edit, name="role"),
    path("roles/<int:pk>/delete/", own_roles.delete, name="role_delete"),
    path("<int:pk>/", person.show, name="person"),
    path("<int:pk>/resend/", invitation.resend, name="resend"),
    path("<int:pk>/revoke/", invitation.revoke, name="revoke"),
    path("<int:pk>/deactivate/", lifecycle.deactivate, name="deactivate"),
    path("<int:pk>/activate/", lifecycle.activate, name="activate"),
]

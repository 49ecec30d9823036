"""URLs below /admin/programs/."""

from django.urls import path

from . import subscriptions, tokens

app_name = "programs"
urlpatterns = [
    path("tokens/", tokens.show, name="tokens"),
    path("tokens/make/", tokens.make, name="token_make"),
    path("tokens/<int:pk>/revoke/", tokens.revoke, name="token_revoke"),
    path("events/", subscriptions.list_subscriptions, name="events"),
    path("events/add/", subscriptions.add, name="event_add"),
    path("events/<int:pk>/", subscriptions.edit, name="event_edit"),
    path("events/<int:pk>/rotate/", subscriptions.rotate, name="event_rotate"),
    path("events/<int:pk>/test/", subscriptions.test, name="event_test"),
    path("events/<int:pk>/delete/", subscriptions.delete, name="event_delete"),
    path("events/deliveries/<int:pk>/", subscriptions.delivery, name="event_delivery"),
    path("events/deliveries/<int:pk>/again/", subscriptions.resend, name="event_again"),
]

"""Facebook's requests about the people who linked it, in Setup."""

from django.contrib import admin

from channels_im.models import DataRequest
from desk.admin import ReadOnlyAdmin


@admin.register(DataRequest)
class DataRequestAdmin(ReadOnlyAdmin[DataRequest]):
    """Deauthorize and data-deletion callbacks with their state."""

    list_title = "Data requests from Facebook"
    list_display = ["received_at", "kind", "facebook_user_id", "state", "completed_at"]
    list_filter = ["kind", "state", "received_at"]
    search_fields = ["facebook_user_id", "confirmation_code"]

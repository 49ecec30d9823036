"""Canned replies in Setup."""

from typing import Any

from django.contrib import admin
from django.http import HttpRequest

from desk.admin import SetupModelAdmin
from tickets.models import CannedReply


@admin.register(CannedReply)
class CannedReplyAdmin(SetupModelAdmin):
    list_display = ["shortcut", "title", "department", "created_by"]
    list_filter = ["department"]
    list_select_related = ["department", "created_by"]
    search_fields = ["shortcut", "title", "text"]
    fields = ["shortcut", "title", "text", "department"]

    def save_model(self, request: HttpRequest, obj: CannedReply, form: Any, change: bool) -> None:
        if not change:
            obj.created_by = request.user
        super().save_model(request, obj, form, change)

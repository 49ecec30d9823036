from datetime import timedelta
from typing import Any

from django.apps import AppConfig
from django.contrib.admin.apps import AdminConfig


class DeskConfig(AppConfig):
    """The base app. Registers its lines of the Setup menu and the checks of `check --deploy`."""

    name = "desk"
    verbose_name = "Desk"  # English only: a name

    def ready(self) -> None:
        from django.conf import settings
        from django.contrib.auth.signals import user_logged_in
        from django.core import checks
        from django.db.models import Q
        from django.db.models.signals import post_delete
        from django_q.models import Schedule

        from desk import (
            audit_signals,
            deletion_checks,
            failure_digest,
            integrity,
            mail,
            planned_times,
            retention,
            retention_kinds,
            rights,
            schedules,
            sweeper,
            system_states,
        )
        from desk.accounts.reauthentication import record_login
        from desk.backup.interrupted import check_interrupted
        from desk.demo_guard import check_demo_users
        from desk.file_integrity import check_files
        from desk.key_rotation import check_keys
        from desk.live import access_changes
        from desk.models import User
        from desk.sentences import sentence
        from desk.site import MenuItem, register_attention, register_menu, register_panel

        access_changes.connect()
        user_logged_in.connect(record_login, dispatch_uid="desk.record_login")
        for check in (check_demo_users, check_keys, mail.check_mail):
            checks.register(check, checks.Tags.security, deploy=True)
        checks.register(check_interrupted, checks.Tags.files)
        integrity.register("files", check_files)

        for state in (system_states.update, system_states.worker, system_states.e_mail, system_states.disk):
            system_states.register(state)
        register_attention(system_states.attention)
        register_panel(system_states.panel, order=60)
        for kind, longest in ((Schedule.HOURLY, timedelta(hours=1)), (Schedule.DAILY, timedelta(days=1))):
            planned_times.register(Schedule, "next_run", longest, only=Q(schedule_type=kind))
        if settings.DESK_FILES_URL:
            from desk import object_storage

            object_storage.register()
        sweeper.register("digest of failures", failure_digest.is_due, failure_digest.TASK)  # English only: for the log
        failure_digest.register_planned_times()
        retention_kinds.register()
        schedules.register("retention", retention.TASK, schedules.DAILY)
        register_menu(MenuItem(sentence("Home"), "admin:index", order=0))
        departments = ("desk.view_department", "desk.change_department")
        register_menu(
            MenuItem(
                sentence("Departments"), "admin:desk_department_changelist", departments, sentence("People"), order=42
            )
        )
        history = ("desk.view_auditentry",)
        register_menu(
            MenuItem(sentence("History"), "admin:desk_auditentry_changelist", history, sentence("Records"), order=90)
        )
        audit_signals.connect()
        deletion_checks.register(User, rights.reason_to_keep_administrator)
        post_delete.connect(_keep_last_administrator, sender=User, dispatch_uid="keep_last_administrator")


def _keep_last_administrator(instance: Any, **_kwargs: Any) -> None:
    from desk import rights

    rights.require_administrator_after(instance)


class DeskAdminConfig(AdminConfig):
    """Django's admin with Desk's own site (desk.site), called Setup in the interface."""

    default_site = "desk.site.DeskAdminSite"
    shown_apps = frozenset({"admin", "auth", "desk", "channels_im", "tickets"})

    def ready(self) -> None:
        """Unregister the models of libraries: some of their pages show tokens and app secrets."""
        super().ready()
        from django.contrib.admin import site

        for model in list(site._registry):
            if model._meta.app_label not in self.shown_apps:
                site.unregister(model)

from django.apps import AppConfig
from django.utils.translation import gettext_lazy


class ChannelsImConfig(AppConfig):
    """Channels and Facebook. Registers what the worker, `/readyz`, `check` and the Setup menu run for it."""

    name = "channels_im"
    verbose_name = gettext_lazy("Instant Messaging")

    def ready(self) -> None:
        from django.db.models.signals import post_migrate

        from channels_im import checks, signals
        from channels_im.models import (
            FacebookAccount,
            GoLive,
            HistoryImport,
            Page,
            PageRecovery,
            RecoveryRun,
            WebhookDelivery,
        )
        from channels_im.services.facebook import (
            connection,
            daily_check,
            expiry_warnings,
            history_requests,
            linking,
            pace,
            recovery_requests,
            subscriptions,
        )
        from channels_im.services.go_live import progress
        from channels_im.services.journal import drain, failures, mentions, retention, store
        from channels_im.services.recovery import history_import, runs, schedule
        from channels_im.setup import menu
        from desk import backoff, failure_digest, health, loops, mail, planned_times, schedules, sweeper, uptime
        from desk.backup import after_restore

        sweeper.register("journal", reclaim=store.claims.reclaim_stale)
        loops.register(store.JOB, loops.INTAKE, store.is_due, drain.drain_journal)
        sweeper.register("index of the journal", reclaim=mentions.request_indexing)  # English only: logged
        health.register("journal", store.report)
        failure_digest.register("deliveries", failures.delivery_causes)
        sweeper.register("subscriptions", subscriptions.is_due, subscriptions.TASK)
        sweeper.register("e-mails about Pages", connection.mail_is_due, connection.MAIL_TASK)  # English only: logged
        sweeper.register("checks of going live", progress.is_due, progress.TASK)  # English only: logged
        sweeper.register("undecided logins", reclaim=linking.discard_undecided)  # English only: logged
        sweeper.register("recovery", runs.is_due, recovery_requests.TASK, runs.claims.reclaim_stale)
        imports = history_import
        sweeper.register(  # English only: logged
            "history import", imports.is_due, history_requests.TASK, imports.claims.reclaim_stale
        )
        uptime.register(schedule.after_interruption)
        after_restore.register("missed messages", schedule.after_restore)  # English only: logged
        schedules.register("recover missed messages", schedule.NIGHTLY_TASK, schedules.HOURLY)  # English only: logged
        retention.register()
        schedules.register("check Facebook", daily_check.TASK, schedules.DAILY)
        schedules.register("warn of ending logins", expiry_warnings.TASK, schedules.HOURLY)  # English only: logged
        planned_times.register(
            WebhookDelivery,
            "retry_after",
            backoff.GIVE_UP_AFTER,
            attempts="attempts",
            longest_after=backoff.delay_after,
        )
        planned_times.register(WebhookDelivery, "claimed_at", planned_times.NOW)
        planned_times.register(Page, "reauth_mail_after", mail.SLOW_RETRY_DELAY)
        planned_times.register(Page, "rate_limited_until", connection.LONGEST_RATE_LIMIT)
        planned_times.register(Page, "background_limited_until", connection.LONGEST_RATE_LIMIT)
        planned_times.register(Page, "subscription_due_at", subscriptions.MAX_DELAY)
        planned_times.register(GoLive, "due_at", progress.lease())
        planned_times.register(FacebookAccount, "warning_after", mail.LEASE)
        planned_times.register(RecoveryRun, "retry_after", backoff.GIVE_UP_AFTER)
        planned_times.register(RecoveryRun, "claimed_at", planned_times.NOW)
        planned_times.register(HistoryImport, "retry_after", backoff.GIVE_UP_AFTER)
        planned_times.register(HistoryImport, "claimed_at", planned_times.NOW)
        planned_times.register(PageRecovery, "next_call_at", pace.LONGEST_WAIT)
        post_migrate.connect(schedules.save_schedules, sender=self)
        checks.register()
        signals.connect()
        menu.register()

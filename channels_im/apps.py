from django.apps import AppConfig


class ChannelsImConfig(AppConfig):
    """Channels and Facebook. Registers what the worker, `/readyz`, `check` and the Setup menu run for it."""

    name = "channels_im"
    verbose_name = "Instant Messaging"

    def ready(self) -> None:
        from django.db.models.signals import post_migrate

        from channels_im import checks, signals
        from channels_im.models import FacebookAccount, Page, WebhookDelivery
        from channels_im.services.facebook import connection, daily_check, expiry_warnings, linking, subscriptions
        from channels_im.services.journal import mentions, retention, store
        from channels_im.setup import menu
        from desk import backoff, health, mail, planned_times, schedules, sweeper

        sweeper.register("journal", store.is_due, store.TASK, store.claims.reclaim_stale)
        sweeper.register("index of the journal", reclaim=mentions.request_indexing)
        health.register("journal", store.report)
        sweeper.register("subscriptions", subscriptions.is_due, subscriptions.TASK)
        sweeper.register("e-mails about Pages", connection.mail_is_due, connection.MAIL_TASK)
        sweeper.register("undecided logins", reclaim=linking.discard_undecided)
        retention.register()
        schedules.register("check Facebook", daily_check.TASK, schedules.DAILY)
        schedules.register("warn of ending logins", expiry_warnings.TASK, schedules.HOURLY)
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
        planned_times.register(FacebookAccount, "warning_after", mail.LEASE)
        post_migrate.connect(schedules.save_schedules, sender=self)
        checks.register()
        signals.connect()
        menu.register()

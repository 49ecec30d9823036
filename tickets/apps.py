from django.apps import AppConfig


class TicketsConfig(AppConfig):
    name = "tickets"
    verbose_name = "Tickets"

    def ready(self) -> None:
        from channels_im.services.journal import store
        from desk import background, health, schedules, sweeper
        from tickets import setup
        from tickets.services import (
            changes,
            conversations,
            erasing,
            event_sending,
            events,
            files,
            intake,
            looking,
            moderation,
            outbox,
            profiles,
            reactions,
            settling,
            signals,
        )
        from tickets.views.setup import menu

        setup.register()
        menu.register()
        store.register_receiver(intake.receive, after_batch=changes.apply_late)
        sweeper.register("outbox", outbox.is_due, settling.DRAIN_TASK, settling.take_back_stale)
        sweeper.register("profiles", profiles.is_due, profiles.TASK)
        sweeper.register("files", files.is_due, files.TASK)
        sweeper.register("early changes", changes.is_due, changes.TASK, changes.forget_old)
        sweeper.register("blocks", moderation.is_due, moderation.TASK)
        sweeper.register("events", event_sending.is_due, events.TASK, event_sending.tidy)
        sweeper.register("files of erased people", reclaim=erasing.delete_files)
        schedules.register("statistics of the lists", conversations.STATISTICS_TASK, schedules.DAILY)
        sweeper.register("lookings", reclaim=looking.forget_expired)
        sweeper.register("reactions", reactions.is_due, reactions.TASK)
        background.register("signals", signals.is_due, signals.send_waiting)
        health.register("outbox", outbox.report)
        health.register("events", event_sending.report)

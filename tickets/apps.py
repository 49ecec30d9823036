from django.apps import AppConfig


class TicketsConfig(AppConfig):
    name = "tickets"
    verbose_name = "Tickets"

    def ready(self) -> None:
        from channels_im.services.journal import store
        from desk import background, health, schedules, sweeper
        from tickets import setup
        from tickets.services.conversation import message_changes
        from tickets.services.inbox import listing, viewers
        from tickets.services.incoming import attachments, profiles, receiver
        from tickets.services.outgoing import delivery_status, outbox
        from tickets.services.page_actions import moderation, reactions, sender_actions
        from tickets.services.privacy import erasure
        from tickets.services.webhooks import delivery, events, mails
        from tickets.views.setup import menu

        setup.register()
        menu.register()
        store.register_receiver(receiver.receive, after_batch=message_changes.apply_waiting)
        sweeper.register("outbox", outbox.is_due, delivery_status.DRAIN_TASK, delivery_status.reclaim_stale)
        sweeper.register("profiles", profiles.is_due, profiles.TASK)
        sweeper.register("files", attachments.is_due, attachments.TASK)
        sweeper.register("early changes", message_changes.is_due, message_changes.TASK, message_changes.delete_old)
        sweeper.register("blocks", moderation.is_due, moderation.TASK)
        sweeper.register("e-mails about webhooks", mails.is_due, mails.TASK)
        sweeper.register("events", delivery.is_due, events.TASK, delivery.clean_up)
        sweeper.register("files of erased contacts", reclaim=erasure.delete_files)
        schedules.register("statistics of the lists", listing.STATISTICS_TASK, schedules.DAILY)
        sweeper.register("viewers", reclaim=viewers.delete_expired)
        sweeper.register("reactions", reactions.is_due, reactions.TASK)
        background.register("sender actions", sender_actions.is_due, sender_actions.send_due)
        health.register("outbox", outbox.report)
        health.register("events", delivery.report)

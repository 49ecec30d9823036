from datetime import timedelta
from functools import partial
from typing import Any

from django.apps import AppConfig
from django.conf import settings
from django.db.models import Q
from django.utils.translation import gettext_lazy


class TicketsConfig(AppConfig):
    name = "tickets"
    verbose_name = gettext_lazy("Tickets")

    def ready(self) -> None:
        from channels_im.services.journal import store
        from channels_im.services.recovery import writer
        from desk import (
            backoff,
            failure_digest,
            health,
            integrity,
            loops,
            mail,
            planned_times,
            schedules,
            sweeper,
            system_states,
        )
        from desk.backup import after_restore
        from tickets import models, setup, signals
        from tickets.api import payloads
        from tickets.rules import sending, window
        from tickets.rules import snoozing as snooze_rules
        from tickets.services.conversation import assigning, message_changes, notices, snoozing
        from tickets.services.inbox import (
            automatic_assignment,
            canned_files,
            indexing,
            macro_runs,
            statistics,
            viewers,
        )
        from tickets.services.incoming import attachments, profiles, receiver, recovered, sets
        from tickets.services.integrity import conversations, search_index
        from tickets.services.notifications import browsers, push, push_state, reminders
        from tickets.services.outgoing import (
            delivery_status,
            failures,
            outbox,
            restored_replies,
            scheduled_files,
            scheduled_sending,
        )
        from tickets.services.page_actions import moderation, reactions, sender_actions, thread_control
        from tickets.services.privacy import erasure, retention
        from tickets.services.webhooks import api_tokens, delivery, events, mails
        from tickets.views.setup import menu

        send_events = partial(delivery.drain_events, payloads.bodies)
        signals.connect()
        canned_files.connect()
        scheduled_files.connect()
        setup.register()
        retention.register()
        menu.register()
        store.register_receiver(receiver.receive, sets.take, after_batch=message_changes.apply_waiting)
        writer.register_finder(recovered.find_missed)
        loops.register(delivery_status.JOB, loops.SENDER, outbox.is_due, outbox.drain_outbox, pause_s=0.02)
        loops.register(
            scheduled_sending.JOB, loops.SENDER, scheduled_sending.is_due, scheduled_sending.send_due, pause_s=0.2
        )
        loops.register(reactions.JOB, loops.SENDER, reactions.is_due, reactions.send_reactions, pause_s=0.05)
        loops.register(
            thread_control.JOB, loops.SENDER, thread_control.is_due, thread_control.send_requests, pause_s=0.05
        )
        loops.register(moderation.JOB, loops.SENDER, moderation.is_due, moderation.send_blocks, pause_s=0.2)
        loops.register(sender_actions.JOB, loops.SENDER, sender_actions.is_due, sender_actions.send_due, pause_s=0.2)
        loops.register(attachments.JOB, loops.FETCHER, attachments.is_due, attachments.fetch_files, pause_s=0.1)
        loops.register(profiles.JOB, loops.FETCHER, profiles.is_due, profiles.fetch_profiles, pause_s=0.1)
        loops.register(assigning.JOB, loops.FETCHER, automatic_assignment.is_due, automatic_assignment.run, pause_s=0.2)
        loops.register(events.JOB, loops.WEBHOOKS, delivery.is_due, send_events, pause_s=0.05)
        loops.register(notices.JOB, loops.WEBHOOKS, push.is_due, push.work, pause_s=0.1)
        loops.register(  # English only: for the log
            "early changes", loops.INTAKE, message_changes.is_due, message_changes.apply_waiting, pause_s=0.5
        )
        sweeper.register("outbox", reclaim=delivery_status.reclaim_stale)
        sweeper.register("early changes", reclaim=message_changes.delete_old)  # English only: for the log
        sweeper.register("search index", indexing.is_due, indexing.TASK)  # English only: for the log
        sweeper.register("e-mails about webhooks", mails.is_due, mails.TASK)  # English only: for the log
        sweeper.register(scheduled_sending.JOB, reclaim=scheduled_sending.delete_old)
        sweeper.register("snoozes", snoozing.is_due, snoozing.TASK)
        sweeper.register("events", reclaim=delivery.CLAIMS.reclaim_stale)
        sweeper.register("notifications", reclaim=push.CLAIMS.reclaim_stale)
        sweeper.register("e-mails to agents", reminders.is_due, reminders.TASK)  # English only: for the log
        system_states.register(push_state.state)
        sweeper.register("files of erased contacts", reclaim=erasure.delete_files)  # English only: for the log
        failure_digest.register("replies", failures.reply_causes)
        failure_digest.register("webhook events", mails.event_causes)  # English only: for the log
        schedules.register(  # English only: for the log
            "statistics of the lists", statistics.STATISTICS_TASK, schedules.DAILY
        )
        schedules.register(  # English only: for the log
            "unsaved files of canned replies", canned_files.CLEANING_TASK, schedules.DAILY
        )
        schedules.register("runs of macros", macro_runs.CLEANING_TASK, schedules.DAILY)  # English only: for the log
        schedules.register(  # English only: for the log
            "browsers of ended sessions", browsers.CLEANING_TASK, schedules.DAILY
        )
        sweeper.register("viewers", reclaim=viewers.delete_expired)
        by_backoff: dict[str, Any] = {"longest": backoff.GIVE_UP_AFTER, "longest_after": backoff.delay_after}
        planned_times.register(models.Message, "retry_after", sending.MAX_RETRY_PAUSE)
        planned_times.register(models.Conversation, "snoozed_until", snooze_rules.LONGEST)
        planned_times.register(models.Availability, "away_since", planned_times.NOW)
        is_template = Q(sent_as__has_key="template")  # which needs no messaging window
        planned_times.register(models.ScheduledReply, "due_at", window.HUMAN_AGENT_WINDOW, only=~is_template)
        planned_times.register(models.ScheduledReply, "due_at", snooze_rules.LONGEST, only=is_template)
        for work in (attachments.FETCHES, profiles.FETCHES):
            fetched: dict[str, Any] = by_backoff | {"longest_after": work.longest_ahead}
            planned_times.register(work.model, work.field, **fetched, attempts=work.attempts)
        planned_times.register(models.EventDelivery, "retry_after", delivery.MAX_EVENT_PAUSE)
        planned_times.register(models.EventDelivery, "claimed_at", planned_times.NOW)
        planned_times.register(models.EventSubscription, "retry_after", delivery.MAX_WEBHOOK_PAUSE)
        planned_times.register(models.EventSubscription, "mail_after", mail.SLOW_RETRY_DELAY)
        for model in (models.Moderation, models.PageReaction, models.ThreadControlRequest):
            planned_times.register(model, "due_at", **by_backoff, attempts="attempts")
            planned_times.register(model, "claimed_until", timedelta(seconds=settings.DESK_CLAIM_SECONDS))
        planned_times.register(models.PushDelivery, "retry_after", push.LONGEST_AHEAD)
        planned_times.register(models.PushDelivery, "claimed_at", planned_times.NOW)
        planned_times.register(models.PushSubscription, "retry_after", push.LONGEST_AHEAD)
        planned_times.register(models.MailReminder, "due_at", reminders.LONGEST_AHEAD)
        planned_times.register(models.Viewer, "seen_at", planned_times.NOW)
        health.register("outbox", outbox.report)
        health.register("events", delivery.report)
        integrity.register("conversations", conversations.check_conversations)
        integrity.register("tickets", conversations.check_tickets)
        integrity.register("messages", conversations.check_references)
        integrity.register("search index", search_index.check_search_index)  # English only: for the log
        after_restore.register("replies", restored_replies.make_sure)
        after_restore.register(scheduled_sending.JOB, scheduled_sending.make_sure)
        after_restore.register("erased people", erasure.remind_after_restore)  # English only: for the log
        after_restore.register("API tokens", api_tokens.remind_after_restore)

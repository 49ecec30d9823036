"""Deactivate a person: their open conversations are given to a colleague or to nobody, and their sessions end."""

from dataclasses import dataclass

from django.db import transaction
from django.db.models import QuerySet

from desk import audit_log, rights
from desk.accounts import addresses, sessions
from desk.errors import Refused
from desk.models import Invitation, User
from desk.sentences import sentence
from tickets.models import Conversation
from tickets.services.conversation import access, mentions
from tickets.services.inbox import actions

DEACTIVATED = sentence("Deactivated.")
YOURSELF = sentence("You cannot deactivate yourself. Ask another administrator.")


@dataclass
class HandedOver:
    """How many conversations went to the colleague, and how many to nobody."""

    assigned: int = 0
    unassigned: int = 0

    def sentence(self, successor: User | None) -> str:
        """Return the result as a sentence."""
        if self.assigned and self.unassigned:
            return sentence(
                "Open conversations: %(assigned)s assigned to %(colleague)s, %(unassigned)s unassigned.",
                assigned=self.assigned,
                colleague=successor,
                unassigned=self.unassigned,
            )
        if self.assigned:
            return sentence(
                "Open conversations: %(assigned)s assigned to %(colleague)s.",
                assigned=self.assigned,
                colleague=successor,
            )
        if self.unassigned:
            return sentence("Open conversations: %(unassigned)s unassigned.", unassigned=self.unassigned)
        return sentence("Open conversations: none.")


def open_conversations(*users: User) -> QuerySet[Conversation, Conversation]:
    """Return the conversations with an open ticket that are assigned to these users; not those of deleted channels.

    Those are read-only, and stay as they are.
    """
    return Conversation.objects.filter(assignee__in=users, is_open=True, channel__deleted_at=None)


def successors(user: User) -> list[User]:
    """Return the active agents to whom every open conversation of `user` may be assigned, by name."""
    places = set(open_conversations(user).values_list("channel_id", "department_id").distinct())
    others = User.objects.filter(is_active=True, agent__isnull=False).exclude(pk=user.pk)
    facts = access.facts_for_users(others.values_list("pk", flat=True))
    able = [pk for pk, held in facts.items() if all(actions.may_take(held, *place) for place in places)]
    return list(others.filter(pk__in=able).order_by("first_name", "username"))


def deactivate(by: User, user: User, successor: User | None) -> HandedOver:
    """Hand the open conversations of `user` over, deactivate them and end their sessions. Raises Refused.

    Each conversation is assigned in a transaction of its own. What is assigned to them meanwhile is handed over last.
    """
    _check(by, user)
    result = HandedOver()
    _hand_over(by, user, successor, result)
    with transaction.atomic():
        rights.lock_to_change(by, user)
        _check(by, user)
        user.is_active = False
        user.save(update_fields=["is_active"])
        Invitation.objects.filter(user=user).delete()
        addresses.drop_waiting(user)
        sessions.end_all(user)
        mentions.end_access_of(user)
        audit_log.record(by, user, audit_log.CHANGE, f"{DEACTIVATED} {result.sentence(successor)}")
    _hand_over(by, user, successor, result)
    return result


def reactivate(by: User, user: User) -> bool:
    """Activate a person again; return whether they were not active. Their API tokens stay revoked."""
    with transaction.atomic():
        rights.lock_to_change(by, user)
        if User.objects.get(pk=user.pk).is_active:
            return False
        user.is_active = True
        user.save(update_fields=["is_active"])
        audit_log.record(by, user, audit_log.CHANGE, sentence("Activated again."))
    return True


def _check(by: User, user: User) -> None:
    if by.pk == user.pk:
        raise Refused(YOURSELF)
    with transaction.atomic():
        if reason := rights.reason_to_keep_administrator(user):
            raise Refused(reason)


def _hand_over(by: User, user: User, successor: User | None, result: HandedOver) -> None:
    for conversation in list(open_conversations(user).select_related("contact", "channel", "department", "assignee")):
        if successor is not None and actions.may_be_assigned(conversation, successor):
            actions.assign(by, conversation, successor)
            result.assigned += 1
        else:
            actions.assign(by, conversation, None)
            result.unassigned += 1

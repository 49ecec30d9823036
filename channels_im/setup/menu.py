"""What Instant Messaging adds to Setup: menu items, things that need attention, steps of a new installation."""

from django.db.models import Exists, OuterRef, Q, QuerySet
from django.urls import reverse
from django.utils import timezone

from channels_im.models import Channel, ChannelAgent, FacebookAccount, Page, WebhookDelivery
from channels_im.setup import go_live, presenters
from channels_im.setup.access import CHANGE_PREFERENCES, SEE_CHANNELS, VIEW_JOURNAL, VIEW_PREFERENCES, may
from desk import deletion_checks, site, system_states
from desk.models import Department, User


def register() -> None:
    """Register all of it; called from `AppConfig.ready()`."""
    children = (
        site.MenuItem("Messenger", "setup:messenger", SEE_CHANNELS),
        site.MenuItem("Preferences", "setup:preferences", (VIEW_PREFERENCES, CHANGE_PREFERENCES)),
        site.MenuItem("Health", "setup:health", SEE_CHANNELS),
        site.MenuItem("Journal", "setup:journal", (VIEW_JOURNAL,)),
    )
    site.register_menu(
        site.MenuItem(
            "Instant Messaging",
            "setup:instant_messaging",
            (*SEE_CHANNELS, VIEW_JOURNAL, CHANGE_PREFERENCES),
            section="Channels",
            order=20,
            children=children,
        )
    )
    site.register_attention(attention)
    system_states.register(pages)
    site.register_panel(go_live.panel)
    deletion_checks.register(Department, reason_to_keep_department)
    for step in steps():
        site.register_step(step)


def attention(user: User) -> list[site.Attention]:
    """Return what needs attention.

    Pages to re-authenticate, channels without agents, logins that end, incomplete subscriptions, failed deliveries.
    """
    items = []
    if may(user, *SEE_CHANNELS):
        items += [_reauthenticate(channel) for channel in _waiting_channels()]
        items += [_without_agents(channel) for channel in _channels_without_agents()]
        items += [_ending(account) for account in _ending_accounts()]
        items += [_not_receiving(channel) for channel in _silent_channels()]
        items += [_troubled(channel) for channel in _troubled_channels()]
    if may(user, VIEW_JOURNAL):
        failed = WebhookDelivery.objects.filter(state=WebhookDelivery.State.FAILED).count()
        if failed:
            sentence = f"{failed} {'delivery' if failed == 1 else 'deliveries'} from Facebook could not be processed."
            items.append(site.Attention(sentence, f"{reverse('setup:journal')}?state=failed", "View them", "danger"))
    return items


def pages() -> system_states.State | None:
    """Return how many of the channels' Pages are connected; `attention` says what to do about each of the others."""
    used = Page.objects.filter(channels__in=Channel.objects.existing()).distinct()
    count = used.count()
    connected = used.filter(connection=Page.Connection.CONNECTED).count()
    if not count:
        return None
    if lost := count - connected:
        which = "The Page is" if count == 1 else f"{lost} of {count} Pages {'is' if lost == 1 else 'are'}"
        return system_states.State("Pages", f"{which} not connected.", system_states.DANGER)
    return system_states.State("Pages", "The Page is connected." if count == 1 else f"All {count} Pages are connected.")


def _waiting_channels() -> QuerySet[Channel, Channel]:
    waiting = Channel.objects.existing().filter(page__connection=Page.Connection.REAUTH_REQUIRED)
    return waiting.select_related("page")


def _reauthenticate(channel: Channel) -> site.Attention:
    reason = presenters.lower_first(channel.page.get_reauth_reason_display())
    return site.Attention(
        f"“{channel.name}” cannot send: {reason}.",
        reverse("setup:messenger_edit", args=[channel.pk]),
        "Re-authenticate",
        "danger",
    )


def _channels_without_agents() -> QuerySet[Channel, Channel]:
    """Return the active channels without agents; none before the first association, which the checklist asks for."""
    if not ChannelAgent.objects.exists():
        return Channel.objects.none()
    active = ChannelAgent.objects.filter(channel=OuterRef("pk"), agent__user__is_active=True)
    return Channel.objects.existing().filter(~Exists(active), is_active=True)


def _without_agents(channel: Channel) -> site.Attention:
    return site.Attention(
        f"“{channel.name}” has no agents: only those who see all conversations see its messages.",
        reverse("setup:preferences"),
        "Associate agents",
    )


def _ending_accounts() -> QuerySet[FacebookAccount, FacebookAccount]:
    soon = timezone.now() + presenters.WARN_BEFORE
    used = FacebookAccount.objects.filter(pages__channels__in=Channel.objects.existing(), expires_at__lte=soon)
    return used.distinct()


def _ending(account: FacebookAccount) -> site.Attention:
    channel = Channel.objects.existing().filter(page__facebook_account=account).first()
    url = reverse("setup:messenger_edit", args=[channel.pk]) if channel else reverse("setup:messenger")
    return site.Attention(f"The Facebook login of {account} {presenters.login_end(account)}.", url, "Re-authenticate")


def _silent_channels() -> QuerySet[Channel, Channel]:
    wrong = Q(page__subscription__in=[Page.Subscription.UNSUBSCRIBED, Page.Subscription.INCOMPLETE])
    silent = Channel.objects.existing().filter(wrong | ~Q(page__subscription_error=""), is_active=True)
    first_check = Q(
        page__subscription_due_at__isnull=False, page__subscription_attempts__lte=1, page__subscription_error=""
    )
    connected = silent.filter(page__connection=Page.Connection.CONNECTED)
    return connected.exclude(first_check).select_related("page")


def _not_receiving(channel: Channel) -> site.Attention:
    is_known = presenters.is_receiving_too_little(channel.page)
    return site.Attention(
        f"“{channel.name}” does not receive all events from Facebook."
        if is_known
        else f"Desk could not check with Facebook whether “{channel.name}” receives all events.",
        reverse("setup:messenger_edit", args=[channel.pk]),
        "View the check",
    )


def _troubled_channels() -> QuerySet[Channel, Channel]:
    working = Channel.objects.existing().filter(
        is_active=True, page__connection=Page.Connection.CONNECTED, page__subscription_error=""
    )
    return working.exclude(page__trouble={}).select_related("page")


def _troubled(channel: Channel) -> site.Attention:
    sentence = f"“{channel.name}”: {' '.join(presenters.troubles(channel.page))}"
    return site.Attention(sentence, reverse("setup:messenger_edit", args=[channel.pk]), "View the channel")


def reason_to_keep_department(department: Department) -> str:
    """Return why the department cannot be deleted, or "".

    It owns a channel, or without it there would be more channels than departments.
    """
    channels = Channel.objects.filter(department=department)
    existing = [channel.name for channel in channels if not channel.is_deleted]
    if existing:
        names = ", ".join(f"“{name}”" for name in existing)
        return f"{department} receives the messages of {names}. Give the channel another department first."
    if channels.exists():
        return f"{department} holds the conversations of a deleted channel, which stay readable."
    if Channel.objects.existing().count() >= Department.objects.count():
        return (
            "There are as many channels as departments, and there cannot be more. Delete a channel before you delete "
            f"{department}."
        )
    return ""


def steps() -> list[site.Step]:
    """Return the checklist of a new installation."""
    return [
        site.Step(
            "Create a department",
            "Tickets belong to departments. There can be as many channels as departments.",
            "admin:desk_department_add",
            "Create department",
            done=Department.objects.exists,
            order=10,
        ),
        site.Step(
            "Link your Facebook account",
            "Log in to Facebook and select the Pages you want to manage here.",
            "setup:messenger_add",
            "Link Facebook",
            done=lambda: Page.objects.exists(),
            order=20,
        ),
        site.Step(
            "Create a channel",
            "Give a Page an icon, a name and a department.",
            "setup:messenger_add",
            "Create Channel",
            done=lambda: Channel.objects.exists(),
            order=30,
        ),
        site.Step(
            "Associate channels with your agents",
            "Agents see and reply in the channels you choose for them.",
            "setup:preferences",
            "Open preferences",
            done=lambda: ChannelAgent.objects.exists(),
            order=40,
        ),
        site.Step(
            "Send a test",
            "Write to your Page in Messenger and see the ticket arrive.",
            "setup:health",
            "Watch for it",
            done=lambda: Page.objects.filter(last_event_at__isnull=False).exists(),
            order=50,
        ),
    ]

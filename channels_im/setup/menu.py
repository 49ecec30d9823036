"""What Instant Messaging adds to Setup: menu items, things that need attention, steps of a new installation."""

from django.db.models import Exists, OuterRef, Q, QuerySet
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext, ngettext

from channels_im.models import Channel, ChannelAgent, FacebookAccount, Page, WebhookDelivery
from channels_im.setup import go_live, presenters
from channels_im.setup.access import CHANGE_PREFERENCES, SEE_CHANNELS, VIEW_JOURNAL, VIEW_PREFERENCES, may
from desk import deletion_checks, site, system_states
from desk.languages import quoted
from desk.models import Department, User
from desk.sentences import sentence


def register() -> None:
    """Register all of it; called from `AppConfig.ready()`."""
    children = (
        site.MenuItem("Messenger", "setup:messenger", SEE_CHANNELS),  # English only: a name
        site.MenuItem(sentence("Preferences"), "setup:preferences", (VIEW_PREFERENCES, CHANGE_PREFERENCES)),
        site.MenuItem(sentence("Health"), "setup:health", SEE_CHANNELS),
        site.MenuItem(sentence("Journal"), "setup:journal", (VIEW_JOURNAL,)),
    )
    site.register_menu(
        site.MenuItem(
            sentence("Instant Messaging"),
            "setup:instant_messaging",
            (*SEE_CHANNELS, VIEW_JOURNAL, CHANGE_PREFERENCES),
            section=sentence("Channels"),
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
            text = ngettext(
                "%(count)s delivery from Facebook could not be processed.",
                "%(count)s deliveries from Facebook could not be processed.",
                failed,
            )
            path = f"{reverse('setup:journal')}?state=failed"
            items.append(site.Attention(text % {"count": failed}, path, gettext("View them"), "danger"))
    return items


def pages() -> system_states.State | None:
    """Return how many of the channels' Pages are connected; `attention` says what to do about each of the others."""
    used = Page.objects.filter(channels__in=Channel.objects.existing()).distinct()
    count = used.count()
    connected = used.filter(connection=Page.Connection.CONNECTED).count()
    if not count:
        return None
    if lost := count - connected:
        return system_states.State(gettext("Pages"), _lost_pages(lost, count), system_states.DANGER)
    text = ngettext("The Page is connected.", "All %(count)s Pages are connected.", count) % {"count": count}
    return system_states.State(gettext("Pages"), text)


def _lost_pages(lost: int, count: int) -> str:
    if count == 1:
        return gettext("The Page is not connected.")
    text = ngettext(
        "%(lost)s of %(count)s Pages is not connected.", "%(lost)s of %(count)s Pages are not connected.", lost
    )
    return text % {"lost": lost, "count": count}


def _waiting_channels() -> QuerySet[Channel, Channel]:
    waiting = Channel.objects.existing().filter(page__connection=Page.Connection.REAUTH_REQUIRED)
    return waiting.select_related("page")


def _reauthenticate(channel: Channel) -> site.Attention:
    return site.Attention(
        gettext("“%(channel)s” cannot send: %(reason)s.")
        % {"channel": channel.name, "reason": presenters.reauth_reason(channel.page)},
        reverse("setup:messenger_edit", args=[channel.pk]),
        gettext("Re-authenticate"),
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
        gettext("“%(channel)s” has no agents: only those who see all conversations see its messages.")
        % {"channel": channel.name},
        reverse("setup:preferences"),
        gettext("Associate agents"),
    )


def _ending_accounts() -> QuerySet[FacebookAccount, FacebookAccount]:
    soon = timezone.now() + presenters.WARN_BEFORE
    used = FacebookAccount.objects.filter(pages__channels__in=Channel.objects.existing(), expires_at__lte=soon)
    return used.distinct()


def _ending(account: FacebookAccount) -> site.Attention:
    channel = Channel.objects.existing().filter(page__facebook_account=account).first()
    url = reverse("setup:messenger_edit", args=[channel.pk]) if channel else reverse("setup:messenger")
    return site.Attention(presenters.login_of(account), url, gettext("Re-authenticate"))


def _silent_channels() -> QuerySet[Channel, Channel]:
    wrong = Q(page__subscription__in=[Page.Subscription.UNSUBSCRIBED, Page.Subscription.INCOMPLETE])
    silent = Channel.objects.existing().filter(wrong | ~Q(page__subscription_error=""), is_active=True)
    first_check = Q(
        page__subscription_due_at__isnull=False, page__subscription_attempts__lte=1, page__subscription_error=""
    )
    connected = silent.filter(page__connection=Page.Connection.CONNECTED)
    return connected.exclude(first_check).select_related("page")


def _not_receiving(channel: Channel) -> site.Attention:
    if presenters.is_receiving_too_little(channel.page):
        text = gettext("“%(channel)s” does not receive all events from Facebook.")
    else:
        text = gettext("Desk could not check with Facebook whether “%(channel)s” receives all events.")
    return site.Attention(
        text % {"channel": channel.name},
        reverse("setup:messenger_edit", args=[channel.pk]),
        gettext("View the check"),
    )


def _troubled_channels() -> QuerySet[Channel, Channel]:
    working = Channel.objects.existing().filter(
        is_active=True, page__connection=Page.Connection.CONNECTED, page__subscription_error=""
    )
    return working.exclude(page__trouble={}).select_related("page")


def _troubled(channel: Channel) -> site.Attention:
    text = f"{quoted(channel.name)}: {' '.join(presenters.troubles(channel.page))}"
    return site.Attention(text, reverse("setup:messenger_edit", args=[channel.pk]), gettext("View the channel"))


def reason_to_keep_department(department: Department) -> str:
    """Return why the department cannot be deleted, or "".

    It owns a channel, or without it there would be more channels than departments.
    """
    channels = Channel.objects.filter(department=department)
    existing = [channel.name for channel in channels if not channel.is_deleted]
    if existing:
        names = ", ".join(f"“{name}”" for name in existing)
        return sentence(
            "%(department)s receives the messages of %(channels)s. Give the channel another department first.",
            department=department,
            channels=names,
        )
    if channels.exists():
        return sentence(
            "%(department)s holds the conversations of a deleted channel, which stay readable.", department=department
        )
    if Channel.objects.existing().count() >= Department.objects.count():
        return sentence(
            "There are as many channels as departments, and there cannot be more. Delete a channel before you delete "
            "%(department)s.",
            department=department,
        )
    return ""


def steps() -> list[site.Step]:
    """Return the checklist of a new installation."""
    return [
        site.Step(
            sentence("Create a department"),
            sentence("Tickets belong to departments. There can be as many channels as departments."),
            "admin:desk_department_add",
            sentence("Create department"),
            done=Department.objects.exists,
            order=10,
        ),
        site.Step(
            sentence("Link your Facebook account"),
            sentence("Log in to Facebook and select the Pages you want to manage here."),
            "setup:messenger_add",
            sentence("Link Facebook"),
            done=lambda: Page.objects.exists(),
            order=20,
        ),
        site.Step(
            sentence("Create a channel"),
            sentence("Give a Page an icon, a name and a department."),
            "setup:messenger_add",
            sentence("Create Channel"),
            done=lambda: Channel.objects.exists(),
            order=30,
        ),
        site.Step(
            sentence("Associate channels with your agents"),
            sentence("Agents see and reply in the channels you choose for them."),
            "setup:preferences",
            sentence("Open preferences"),
            done=lambda: ChannelAgent.objects.exists(),
            order=40,
        ),
        site.Step(
            sentence("Send a test"),
            sentence("Write to your Page in Messenger and see the ticket arrive."),
            "setup:health",
            sentence("Watch for it"),
            done=lambda: Page.objects.filter(last_event_at__isnull=False).exists(),
            order=50,
        ),
    ]

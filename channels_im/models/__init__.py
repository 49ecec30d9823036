"""Facebook accounts, Pages, channels, preferences and the webhook journal."""

from desk.sentences import sentence

from .accounts import FacebookAccount, Page, PageOutage, PendingLink
from .channels import Channel, ChannelAgent, ChannelDraft, ImPreferences
from .go_live import GoLive, GoLiveStep, PrivacyPolicy
from .history_import import HistoryImport
from .journal import DataRequest, DeliveryMention, ParkedDelivery, WebhookDelivery
from .recovery import PageRecovery, RecoveryRun
from .templates import MessageTemplate

__all__ = [
    "Channel",
    "ChannelAgent",
    "ChannelDraft",
    "DataRequest",
    "DeliveryMention",
    "FacebookAccount",
    "GoLive",
    "GoLiveStep",
    "HistoryImport",
    "ImPreferences",
    "MessageTemplate",
    "Page",
    "PageOutage",
    "PageRecovery",
    "ParkedDelivery",
    "PendingLink",
    "PrivacyPolicy",
    "RecoveryRun",
    "WebhookDelivery",
]

#: Names that Django makes of the classes. The history and the permissions show them.
NAMES = (
    sentence("channel"),
    sentence("channels"),
    sentence("data request"),
    sentence("data requests"),
    sentence("facebook account"),
    sentence("facebook accounts"),
    sentence("im preferences"),
    sentence("message template"),
    sentence("message templates"),
    sentence("page"),
    sentence("pages"),
    sentence("privacy policy"),
    sentence("webhook delivery"),
)

"""Facebook accounts, Pages, channels, preferences and the webhook journal."""

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

"""Facebook accounts, Pages, channels, preferences and the webhook journal."""

from .accounts import FacebookAccount, Page, PageOutage, PendingLink
from .channels import Channel, ChannelAgent, ChannelDraft, ImPreferences
from .journal import DataRequest, ParkedDelivery, WebhookDelivery

__all__ = [
    "Channel",
    "ChannelAgent",
    "ChannelDraft",
    "DataRequest",
    "FacebookAccount",
    "ImPreferences",
    "Page",
    "PageOutage",
    "ParkedDelivery",
    "PendingLink",
    "WebhookDelivery",
]

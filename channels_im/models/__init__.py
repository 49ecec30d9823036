"""Facebook accounts, Pages, channels, preferences and the webhook journal."""

from .accounts import FacebookAccount, Page, PageOutage, PendingLink
from .channels import Channel, ChannelAgent, ChannelDraft, ImPreferences
from .journal import DataRequest, DeliveryMention, ParkedDelivery, WebhookDelivery

__all__ = [
    "Channel",
    "ChannelAgent",
    "ChannelDraft",
    "DataRequest",
    "DeliveryMention",
    "FacebookAccount",
    "ImPreferences",
    "Page",
    "PageOutage",
    "ParkedDelivery",
    "PendingLink",
    "WebhookDelivery",
]

"""What is in the database after a drain, in short."""

from channels_im.models import WebhookDelivery
from tickets.models import Message


def states() -> list[str]:
    return list(WebhookDelivery.objects.order_by("pk").values_list("state", flat=True))


def texts() -> list[str]:
    return list(Message.objects.order_by("sent_at", "pk").values_list("text", flat=True))

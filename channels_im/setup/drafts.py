"""What an administrator typed into Add or Edit Channel: kept across the trip to Facebook and across a mistake."""

from typing import Any

from django.http import HttpRequest

from channels_im.models import Channel, ChannelDraft
from channels_im.services.channels import SWITCHES, switches
from channels_im.services.icons import CheckedIcon, IconError, check_icon

TEXTS = ("name", "page", "department")


def find(user: Any, channel: Channel | None) -> ChannelDraft | None:
    return ChannelDraft.objects.filter(user=user, channel=channel).first()


def keep(request: HttpRequest, channel: Channel | None) -> tuple[ChannelDraft, str]:
    """Keep what was posted; return the draft, and why a chosen icon could not be kept or ""."""
    draft, _created = ChannelDraft.objects.get_or_create(user=request.user, channel=channel)
    draft.fields = {name: request.POST[name].replace("\0", "")[:500] for name in TEXTS if name in request.POST}
    draft.fields |= {name: name in request.POST for name in SWITCHES}
    draft.save(update_fields=["fields", "updated_at"])
    uploaded = request.FILES.get("icon")
    if uploaded is None:
        return draft, ""
    try:
        keep_icon(draft, check_icon(uploaded, uploaded.name or "", uploaded.size or 0), uploaded.name or "")
    except IconError as error:
        return draft, str(error)
    return draft, ""


def differs(draft: ChannelDraft, channel: Channel | None) -> bool:
    """Return whether the draft holds anything that is not saved in the channel already (None: anything at all)."""
    if channel is None:
        return bool(draft.icon) or any(draft.fields.values())
    saved = {
        "name": channel.name,
        "department": str(channel.department_id),
        **switches(channel),
    }
    return bool(draft.icon) or any(draft.fields.get(name, value) != value for name, value in saved.items())


def keep_icon(draft: ChannelDraft, icon: CheckedIcon, name: str) -> None:
    if draft.icon:
        draft.icon.delete(save=False)
    icon.seek(0)
    draft.icon.save(icon.name, icon, save=False)
    draft.icon_name = name[:255]
    draft.save(update_fields=["icon", "icon_name", "updated_at"])


def drop(user: Any, channel: Channel | None) -> None:
    """Forget the draft and its icon."""
    for draft in ChannelDraft.objects.filter(user=user, channel=channel):
        if draft.icon:
            draft.icon.delete(save=False)
        draft.delete()

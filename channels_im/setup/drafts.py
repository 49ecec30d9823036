"""Drafts: what an administrator typed into Add or Edit Channel, kept during a Facebook login and after an error."""

from channels_im.models import Channel, ChannelDraft
from channels_im.services.channels import SWITCHES, switch_values
from channels_im.services.icons import CheckedIcon, IconError, check_icon
from desk.models import User
from desk.requests import UserRequest
from desk.storage import undone_on_failure
from desk.text import head

TEXT_FIELDS = ("name", "page", "department", "history_days")


def find(user: User, channel: Channel | None) -> ChannelDraft | None:
    """Return the user's draft of Edit Channel for `channel`, or of Add Channel for None."""
    return ChannelDraft.objects.filter(user=user, channel=channel).first()


def keep(request: UserRequest, channel: Channel | None) -> tuple[ChannelDraft, str]:
    """Save what was posted; return the draft, and why an uploaded icon could not be kept or ""."""
    draft, _created = ChannelDraft.objects.get_or_create(user=request.user, channel=channel)
    posted = [name for name in TEXT_FIELDS if name in request.POST]
    draft.fields = {name: head(request.POST[name].replace("\0", ""), 500) for name in posted}
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
    """Return whether the draft holds anything that is not saved in the channel (None: anything at all)."""
    if channel is None:
        return bool(draft.icon) or any(draft.fields.values())
    saved = {
        "name": channel.name,
        "department": str(channel.department_id),
        **switch_values(channel),
    }
    return bool(draft.icon) or any(draft.fields.get(name, value) != value for name, value in saved.items())


def keep_icon(draft: ChannelDraft, icon: CheckedIcon, original_name: str) -> None:
    """Save an icon in the draft, in place of an earlier one, with the name of the uploaded file."""
    earlier = draft.icon.name
    icon.seek(0)
    with undone_on_failure():
        draft.icon.save(icon.name, icon, save=False)
        draft.icon_name = head(original_name, 255)
        draft.save(update_fields=["icon", "icon_name", "updated_at"])
    if earlier:
        draft.icon.storage.delete(earlier)


def drop(user: User, channel: Channel | None) -> None:
    """Delete the draft and its icon."""
    for draft in ChannelDraft.objects.filter(user=user, channel=channel):
        if draft.icon:
            draft.icon.delete(save=False)
        draft.delete()

"""Our own copies of the pictures of Pages: Meta's links expire."""

import hashlib
import io
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor

from django.core.files.base import ContentFile
from django.core.files.storage import default_storage
from django.views.decorators.debug import sensitive_variables
from PIL import Image

from channels_im.messenger import media
from channels_im.messenger.pages import PageInfo
from channels_im.models import Page

MAX_BYTES = 2 * 1_048_576
TIMEOUT_S = 4.0
AT_ONCE = 8
AT_MOST = 60  # an administrator waits for them; the rest shows initials
STORED_PIXELS = 128
FORMATS = ("JPEG", "PNG", "GIF", "WEBP")


@sensitive_variables("pages")
def fetch(pages: Iterable[PageInfo]) -> dict[str, ContentFile]:
    """Return small PNG copies by page id. A picture that cannot be had is left out: it is never worth a failure."""
    wanted = [page for page in pages if page.picture_url][:AT_MOST]
    if not wanted:
        return {}
    with ThreadPoolExecutor(AT_ONCE) as pool:
        copies = pool.map(lambda page: _fetch_one(page.picture_url), wanted)
        return {page.page_id: copy for page, copy in zip(wanted, copies, strict=True) if copy}


def keep(page: Page, picture: ContentFile) -> None:
    """Store a fetched copy as the Page's picture, unless it is the one we have."""
    digest = hashlib.sha256(picture.read()).hexdigest()[:12]
    picture.seek(0)
    name = f"{page.page_id}-{digest}.png"
    old = page.picture.name if page.picture else ""
    if old.endswith(name) and default_storage.exists(old):
        return
    page.picture.save(name, picture, save=False)
    page.save(update_fields=["picture"])
    if old and old != page.picture.name:
        page.picture.storage.delete(old)


def _fetch_one(url: str) -> ContentFile | None:
    try:
        fetched = media.fetch(url, max_bytes=MAX_BYTES, timeout_s=TIMEOUT_S)
    except media.MediaError:
        return None
    try:
        image = Image.open(fetched.file, formats=FORMATS)
        if max(image.size) > 4096:
            return None
        image = image.convert("RGB")
        image.thumbnail((STORED_PIXELS, STORED_PIXELS))
        out = io.BytesIO()
        image.save(out, "PNG")
    except (OSError, SyntaxError, ValueError, Image.DecompressionBombError):
        return None
    finally:
        fetched.close()
    return ContentFile(out.getvalue())

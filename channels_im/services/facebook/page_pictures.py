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
from desk.storage import undone_on_failure

MAX_BYTES = 2 * 1_048_576
TIMEOUT_S = 4.0
MAX_THREADS = 8
MAX_PICTURES = 60  # an administrator waits for them; the other Pages show initials
MAX_PIXELS = 4096  # per side
STORED_PIXELS = 128
FORMATS = ("JPEG", "PNG", "GIF", "WEBP")


@sensitive_variables("pages")
def fetch(pages: Iterable[PageInfo]) -> dict[str, "ContentFile[bytes]"]:
    """Return small PNG copies by page id. A picture that cannot be fetched is left out, without an error."""
    urls = [(page.page_id, page.picture_url) for page in pages if page.picture_url][:MAX_PICTURES]
    if not urls:
        return {}
    with ThreadPoolExecutor(MAX_THREADS) as pool:
        copies = pool.map(lambda entry: _fetch_one(entry[1]), urls)
        return {page_id: copy for (page_id, _url), copy in zip(urls, copies, strict=True) if copy}


def keep(page: Page, picture: "ContentFile[bytes]") -> None:
    """Store a fetched copy as the Page's picture, unless it is the stored one already."""
    digest = hashlib.sha256(picture.read()).hexdigest()[:12]
    picture.seek(0)
    name = f"{page.page_id}-{digest}.png"
    old = page.picture.name or ""
    if old.endswith(name) and default_storage.exists(old):
        return
    with undone_on_failure():
        page.picture.save(name, picture, save=False)
        page.save(update_fields=["picture"])
    if old and old != page.picture.name:
        page.picture.storage.delete(old)


def _fetch_one(url: str) -> "ContentFile[bytes] | None":
    try:
        fetched = media.fetch(url, max_bytes=MAX_BYTES, timeout_s=TIMEOUT_S)
    except media.MediaError:
        return None
    try:
        image = Image.open(fetched.file, formats=FORMATS)
        if max(image.size) > MAX_PIXELS:
            return None
        copy = image.convert("RGB")
        copy.thumbnail((STORED_PIXELS, STORED_PIXELS))
        out = io.BytesIO()
        copy.save(out, "PNG")
    except (OSError, SyntaxError, ValueError, Image.DecompressionBombError):
        return None
    finally:
        fetched.close()
    return ContentFile(out.getvalue())

"""A small file can hold a huge picture: GIF and WebP over MAX_PIXELS are refused before they are decoded."""

import io

import pytest
from PIL import Image

from channels_im.messenger import files
from channels_im.messenger.files import MAX_PIXELS, FileError, to_png_first_frame

SIDE = int(MAX_PIXELS**0.5)


def picture(width: int, height: int, format: str) -> io.BytesIO:
    data = io.BytesIO()
    Image.new("L" if format == "GIF" else "RGB", (width, height)).save(data, format)
    return data


@pytest.mark.parametrize("format", ["GIF", "WEBP"])
def test_one_row_over_the_limit_is_refused(format: str, monkeypatch: pytest.MonkeyPatch) -> None:
    # The limit itself would take seconds and gigabytes to draw: the rule is the same at a thousandth of it.
    monkeypatch.setattr(files, "MAX_PIXELS", 50_000)
    assert to_png_first_frame(picture(250, 200, format)).read(8) == b"\x89PNG\r\n\x1a\n"
    with pytest.raises(FileError, match="too large to show"):
        to_png_first_frame(picture(250, 201, format))


@pytest.mark.parametrize("width", [SIDE, 65_535])
def test_a_gif_that_only_claims_to_be_huge_is_refused_without_being_decoded(width: int) -> None:
    data = bytearray(picture(10, 10, "GIF").getvalue())
    height = MAX_PIXELS // width + 1
    data[6:10] = width.to_bytes(2, "little") + height.to_bytes(2, "little")  # the size of the logical screen
    with pytest.raises(FileError, match="too large to show"):
        to_png_first_frame(io.BytesIO(bytes(data)))

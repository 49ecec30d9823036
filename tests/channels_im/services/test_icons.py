"""Which files become a channel's icon, and what is kept of them."""

import io

import pytest
from PIL import Image

from channels_im.services.icons import MAX_ICON_BYTES, IconError, check_icon
from tests.channels_im.setup.files import huge_png, noise_png, picture
from tests.matching import present

SVG = b'<svg xmlns="http://www.w3.org/2000/svg"><script>alert(1)</script></svg>'


@pytest.mark.parametrize(
    ("name", "kind"), [("a.png", "PNG"), ("A.PNG", "PNG"), ("a.jpg", "JPEG"), ("a.jpeg", "JPEG"), ("x.y.JPG", "JPEG")]
)
def test_a_jpeg_or_png_is_kept_small_under_a_name_of_our_own(name: str, kind: str) -> None:
    content = picture(kind, (900, 600))
    icon = check_icon(io.BytesIO(content), name, len(content))
    kept = Image.open(icon)
    assert kept.format == kind
    assert kept.size == (512, 341)
    name_kept = present(icon.name)
    assert name_kept.partition(".")[0].isalnum()
    assert len(name_kept) > 32
    assert name_kept.endswith(".png" if kind == "PNG" else ".jpg")


@pytest.mark.parametrize(("name", "kind"), [("a.png", "JPEG"), ("a.jpg", "PNG")])
def test_a_picture_named_as_the_other_kind_is_taken_and_the_note_says_so(name: str, kind: str) -> None:
    icon = check_icon(io.BytesIO(picture(kind)), name, len(picture(kind)))
    assert Image.open(icon).format == kind
    assert f"is a {kind} picture; stored as {kind}" in icon.note


def test_exactly_one_megabyte_is_taken() -> None:
    content = noise_png(MAX_ICON_BYTES)
    assert len(content) == MAX_ICON_BYTES
    assert check_icon(io.BytesIO(content), "icon.png", len(content))


@pytest.mark.parametrize(
    ("name", "content", "says"),
    [
        ("icon.png", noise_png(MAX_ICON_BYTES + 1), "1,048,577 bytes; the limit is 1 MB"),
        ("icon.gif", picture("GIF"), "not a .jpg, .jpeg or .png file"),
        ("icon.svg", SVG, "not a .jpg, .jpeg or .png file"),
        ("icon", picture(), "not a .jpg, .jpeg or .png file"),
        ("icon.png.html", picture(), "not a .jpg, .jpeg or .png file"),
        ("icon.png", picture("GIF"), "not a JPEG or PNG picture"),
        ("icon.png", picture("WEBP"), "not a JPEG or PNG picture"),
        ("icon.png", SVG, "not a JPEG or PNG picture"),
        ("icon.png", b"", "empty"),
        ("icon.png", huge_png(30_000, 30_000), "far too many pixels; the limit is 4096 × 4096"),
        ("icon.png", huge_png(4_097, 10), "4097 × 10"),
        ("icon.jpg", picture("JPEG", (800, 800))[:-400], "damaged or incomplete"),
        ("icon.png", picture("PNG", (800, 800))[:-60], "damaged or incomplete"),
    ],
    ids=str.split(
        "byte-too-many gif svg no-ending html-ending gif-in-disguise webp-in-disguise svg-in-disguise "
        "empty bomb too-wide truncated-jpeg truncated-png"
    ),
)
def test_anything_else_is_refused_with_a_sentence(name: str, content: bytes, says: str) -> None:
    with pytest.raises(IconError, match=says.replace(".", r"\.")):
        check_icon(io.BytesIO(content), name, len(content))


def test_a_size_that_lies_does_not_get_past_the_limit() -> None:
    with pytest.raises(IconError, match="more than 1 MB"):
        check_icon(io.BytesIO(noise_png(MAX_ICON_BYTES + 1)), "icon.png", 10)


def test_metadata_does_not_stay_in_the_copy() -> None:
    out = io.BytesIO()
    exif = Image.Exif()
    exif[0x010E] = "taken at home"
    Image.new("RGB", (50, 50)).save(out, "JPEG", exif=exif)
    icon = check_icon(io.BytesIO(out.getvalue()), "icon.jpg", len(out.getvalue()))
    assert b"taken at home" not in icon.read()

"""Pictures drawn by code (portraits, pictures of Pages, stickers) and their links, which expire after 30 days."""

import hashlib
import io
import random
from collections.abc import Callable
from functools import lru_cache

from PIL import Image, ImageDraw

from sandbox import files
from sandbox.world import THUMBS_UP_STICKER, World

SIZE = 200
SCALE = 4
LIFE_S = 30 * 24 * 3600
BACKGROUNDS = ["#fde2e4", "#e2ece9", "#dfe7fd", "#fff1c9", "#e8dff5", "#d7f0f7", "#fce1cd", "#dcefd3"]
SKINS = ["#f6d3bd", "#e8b48f", "#c98d62", "#9a6441", "#6f452b"]
HAIRS = ["#2b1d14", "#5b3a21", "#8a5a2b", "#c99a4b", "#7a2e1d", "#555b66"]
SHIRTS = ["#3566c4", "#c2453f", "#2f8f6b", "#7b4fb5", "#d98324", "#33424f", "#1d8aa5"]
# Skin, hair, long hair, glasses, beard of the people of the first start; everybody else looks random.
LOOKS = {
    "anna": (0, 3, True, True, False),
    "omar": (2, 0, False, False, True),
    "mia": (1, 0, True, False, False),
    "lena": (0, 2, True, False, False),
    "joao": (1, 0, False, False, True),
    "sara": (0, 3, True, True, False),
    "tom": (0, 2, False, False, False),
    "priya": (3, 0, True, False, False),
    "marek": (0, 1, False, True, True),
    "chloe": (0, 4, True, False, False),
    "yusuf": (2, 0, False, False, False),
    "ines": (1, 1, True, False, False),
    "kofi": (4, 0, False, True, False),
    "anouk": (0, 5, True, True, False),
}
STICKERS = {THUMBS_UP_STICKER: "thumb", "1001": "heart", "1002": "smile", "1003": "star"}


def signed_url(world: World, kind: str, key: str, *, psid: str = "") -> str:
    """Return a link to a picture as Meta signs it: `ext` is the Unix time of its end, `hash` the signature."""
    ends = int(world.now()) + LIFE_S
    proof = files.signature(world, f"picture:{kind}:{key}", str(ends))
    return f"{world.config.public_url}/cdn/picture/{kind}/{key}?psid={psid}&width={SIZE}&ext={ends}&hash={proof}"


def measure(data: bytes) -> tuple[int, int]:
    """Return width and height of an image in pixels, or (0, 0) when the bytes are not an image."""
    try:
        with Image.open(io.BytesIO(data)) as image:
            return image.size
    except OSError:
        return 0, 0


@lru_cache(maxsize=256)
def draw(kind: str, key: str, glyph: str = "") -> tuple[bytes, str]:
    """Return (bytes, content type) of a picture: `kind` customer, person, page or sticker; the same at every start."""
    seed = int.from_bytes(hashlib.sha256(f"{kind}:{key}".encode()).digest()[:8], "big")
    chance = random.Random(seed)  # noqa: S311 - a picture, not a secret
    side = SIZE * SCALE
    if kind == "sticker":
        image = Image.new("RGBA", (side, side), (0, 0, 0, 0))
        _sticker(ImageDraw.Draw(image), STICKERS.get(key, "star"))
        return _encode(image, "PNG")
    if kind == "page":
        image = Image.new(
            "RGB", (side, side), chance.choice(["#0f766e", "#b45309", "#1d4ed8", "#be185d", "#4d7c0f", "#6d28d9"])
        )
        GLYPHS.get(glyph, _shop)(ImageDraw.Draw(image))
        return _encode(image, "JPEG")
    image = Image.new("RGB", (side, side), chance.choice(BACKGROUNDS))
    _portrait(ImageDraw.Draw(image), chance, LOOKS.get(key))
    return _encode(image, "JPEG")


def _encode(image: Image.Image, form: str) -> tuple[bytes, str]:
    out = io.BytesIO()
    image.resize((SIZE, SIZE), Image.Resampling.LANCZOS).save(out, form, quality=90)
    return out.getvalue(), f"image/{form.lower()}"


def _portrait(pen: ImageDraw.ImageDraw, chance: random.Random, look: tuple[int, int, bool, bool, bool] | None) -> None:
    skin, hair, shirt = chance.choice(SKINS), chance.choice(HAIRS), chance.choice(SHIRTS)
    long_hair, glasses, beard = chance.random() < 0.5, chance.random() < 0.3, chance.random() < 0.3
    if look is not None:
        skin, hair, long_hair, glasses, beard = SKINS[look[0]], HAIRS[look[1]], *look[2:]
    if long_hair:
        pen.rounded_rectangle((225, 190, 575, 640), 170, fill=hair)
    pen.ellipse((130, 590, 670, 1100), fill=shirt)
    pen.rounded_rectangle((345, 500, 455, 660), 50, fill=_shade(skin, 0.88))
    pen.ellipse((255, 200, 545, 570), fill=skin)
    if beard and not long_hair:
        pen.pieslice((262, 300, 538, 580), 15, 165, fill=hair)
        pen.ellipse((335, 430, 465, 500), fill=skin)
    pen.pieslice((235, 160, 565, 520), 180, 360, fill=hair)
    if long_hair:
        pen.pieslice((255, 235, 545, 480), 195, 345, fill=skin)
    else:
        pen.rounded_rectangle((262, 315, 538, 400), 40, fill=skin)
    for x in (338, 432):
        pen.ellipse((x, 378, x + 30, 412), fill="#22262b")
    if glasses:
        for x in (308, 408):
            pen.ellipse((x, 350, x + 88, 438), outline="#22262b", width=9)
        pen.line((396, 390, 408, 390), fill="#22262b", width=9)
    pen.arc((345, 400, 455, 500), 25, 155, fill="#8c3b32", width=11)


def _shade(colour: str, factor: float) -> tuple[int, ...]:
    return tuple(int(int(colour[at : at + 2], 16) * factor) for at in (1, 3, 5))


def _bike(pen: ImageDraw.ImageDraw) -> None:
    for x in (120, 440):
        pen.ellipse((x, 390, x + 240, 630), outline="white", width=26)
    pen.line([(240, 510), (340, 330), (500, 330), (400, 510), (240, 510)], fill="white", width=26, joint="curve")
    pen.line([(340, 330), (400, 510)], fill="white", width=26)
    pen.line([(560, 510), (490, 270), (560, 250)], fill="white", width=26, joint="curve")
    pen.line([(300, 310), (380, 310)], fill="white", width=34)


def _bread(pen: ImageDraw.ImageDraw) -> None:
    pen.rounded_rectangle((150, 290, 650, 560), 130, fill="white")
    for x in (270, 385, 500):
        pen.line([(x, 350), (x + 50, 460)], fill="#b45309", width=26)


def _plane(pen: ImageDraw.ImageDraw) -> None:
    pen.polygon([(120, 420), (680, 170), (540, 640), (400, 510)], fill="white")
    pen.polygon([(400, 510), (680, 170), (380, 640)], fill="#cbd5e1")


def _glasses(pen: ImageDraw.ImageDraw) -> None:
    for x in (110, 430):
        pen.ellipse((x, 300, x + 260, 560), outline="white", width=34)
    pen.arc((350, 350, 450, 450), 180, 360, fill="white", width=30)


def _bowl(pen: ImageDraw.ImageDraw) -> None:
    pen.pieslice((150, 180, 650, 680), 0, 180, fill="white")
    pen.line([(300, 400), (520, 140)], fill="white", width=24)
    pen.line([(370, 400), (590, 170)], fill="white", width=24)


def _shop(pen: ImageDraw.ImageDraw) -> None:
    pen.polygon([(170, 240), (630, 240), (690, 380), (110, 380)], fill="white")
    pen.rectangle((170, 400, 630, 620), fill="white")
    pen.rectangle((340, 460, 460, 620), fill="#64748b")


GLYPHS: dict[str, Callable[[ImageDraw.ImageDraw], None]] = {
    "bike": _bike,
    "bread": _bread,
    "plane": _plane,
    "glasses": _glasses,
    "bowl": _bowl,
    "shop": _shop,
}


def _sticker(pen: ImageDraw.ImageDraw, name: str) -> None:
    if name == "thumb":
        pen.rounded_rectangle((100, 370, 230, 700), 40, fill="#0a62d6")
        pen.polygon([(260, 400), (400, 110), (480, 130), (490, 220), (460, 340), (260, 500)], fill="#1877f2")
        pen.rounded_rectangle((255, 340, 690, 700), 90, fill="#1877f2")
    elif name == "heart":
        pen.ellipse((110, 150, 420, 460), fill="#f33e58")
        pen.ellipse((380, 150, 690, 460), fill="#f33e58")
        pen.polygon([(133, 370), (667, 370), (400, 700)], fill="#f33e58")
    elif name == "smile":
        pen.ellipse((100, 100, 700, 700), fill="#f7c948")
        pen.ellipse((265, 290, 335, 380), fill="#4a3510")
        pen.ellipse((465, 290, 535, 380), fill="#4a3510")
        pen.chord((235, 330, 565, 620), 15, 165, fill="#7a2e1d")
    else:
        points = [
            (400, 90),
            (485, 300),
            (710, 315),
            (535, 460),
            (595, 680),
            (400, 560),
            (205, 680),
            (265, 460),
            (90, 315),
            (315, 300),
        ]
        pen.polygon(points, fill="#f59e0b")

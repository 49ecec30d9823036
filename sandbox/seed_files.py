"""The two files of the demo history, made by code: a photo of a bike and an invoice as PDF."""

import io

from PIL import Image, ImageDraw


def bike_photo() -> bytes:
    """Return a JPEG of a bicycle in front of a wall, 960 x 720 pixels."""
    image = Image.new("RGB", (1920, 1440), "#d9c7ad")
    pen = ImageDraw.Draw(image)
    for row in range(0, 1020, 85):
        for column in range(-170, 1920, 170):
            left = column + (85 if (row // 85) % 2 else 0)
            shade = 168 + (column * 7 + row * 13) % 30
            pen.rectangle((left + 4, row + 4, left + 162, row + 79), fill=(shade, shade - 50, shade - 72))
    pen.rectangle((0, 1020, 1920, 1440), fill="#7d7a75")
    for x in range(0, 1920, 320):
        pen.line((x, 1020, x - 220, 1440), fill="#6c6965", width=6)
    for x in (300, 1130):
        pen.ellipse((x, 700, x + 500, 1200), outline="#1d1d1f", width=34)
        pen.ellipse((x + 225, 925, x + 275, 975), fill="#3d3d40")
        for dx, dy in ((0, 220), (155, 155), (220, 0), (155, -155)):
            pen.line((x + 250 - dx, 950 - dy, x + 250 + dx, 950 + dy), fill="#9b9ba0", width=4)
    frame = [(550, 950), (770, 560), (1230, 560), (900, 960), (550, 950)]
    pen.line(frame, fill="#0f766e", width=36, joint="curve")
    pen.line([(770, 560), (900, 960)], fill="#0f766e", width=36)
    pen.line([(1380, 950), (1210, 470), (1330, 420)], fill="#0f766e", width=34, joint="curve")
    pen.line([(740, 500), (770, 570)], fill="#26262a", width=26)
    pen.rounded_rectangle((650, 470, 850, 510), 20, fill="#26262a")
    pen.ellipse((840, 900, 960, 1020), outline="#26262a", width=18)
    out = io.BytesIO()
    image.resize((960, 720), Image.Resampling.LANCZOS).save(out, "JPEG", quality=85)
    return out.getvalue()


def invoice_pdf() -> bytes:
    """Return a small valid PDF of one page."""
    lines = [
        ("F2", 20, 760, "Berg Bikes"),
        ("F1", 11, 742, "Gartenstrasse 12, 10115 Berlin"),
        ("F2", 15, 690, "Invoice 2026-1187"),
        ("F1", 11, 655, "1 x Trekking bike Tura 50, 54 cm, petrol            749.00 EUR"),
        ("F1", 11, 638, "1 x Folding lock 90 cm                                            59.00 EUR"),
        ("F2", 11, 612, "Total                                                                    808.00 EUR"),
        ("F1", 10, 560, "Thank you. This file was made by the sandbox."),
    ]
    text = "".join(f"BT /{font} {size} Tf 60 {y} Td ({line}) Tj ET\n" for font, size, y, line in lines).encode()
    objects = [
        b"<< /Type /Catalog /Pages 2 0 R >>",
        b"<< /Type /Pages /Kids [3 0 R] /Count 1 >>",
        b"<< /Type /Page /Parent 2 0 R /MediaBox [0 0 595 842] /Contents 4 0 R"
        b" /Resources << /Font << /F1 5 0 R /F2 6 0 R >> >> >>",
        b"<< /Length " + str(len(text)).encode() + b" >>\nstream\n" + text + b"endstream",
        b"<< /Type /Font /Subtype /Type1 /BaseFont /Helvetica >>",
        b"<< /Type /Font /Subtype /Type1 /BaseFont /Helvetica-Bold >>",
    ]
    out = bytearray(b"%PDF-1.4\n")
    offsets = []
    for number, body in enumerate(objects, 1):
        offsets.append(len(out))
        out += f"{number} 0 obj\n".encode() + body + b"\nendobj\n"
    start = len(out)
    out += f"xref\n0 {len(objects) + 1}\n0000000000 65535 f \n".encode()
    out += b"".join(f"{offset:010} 00000 n \n".encode() for offset in offsets)
    out += f"trailer << /Size {len(objects) + 1} /Root 1 0 R >>\nstartxref\n{start}\n%%EOF\n".encode()
    return bytes(out)

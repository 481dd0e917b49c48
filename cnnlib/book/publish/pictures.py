"""Pictures as a page has them: within it, with words for those who do not see them."""

import base64
import binascii
import io
import re
from html import escape
from xml.etree import ElementTree

from PIL import Image, UnidentifiedImageError

from . import BuildError

SVG = "image/svg+xml"
FORMATS = {"image/png": "PNG", "image/jpeg": "JPEG", "image/gif": "GIF", "image/webp": "WEBP"}
SUFFIXES = {
    ".png": "image/png",
    ".jpg": "image/jpeg",
    ".jpeg": "image/jpeg",
    ".gif": "image/gif",
    ".webp": "image/webp",
    ".svg": SVG,
}
PIXELS = {"": 1.0, "px": 1.0, "pt": 4 / 3, "pc": 16.0, "mm": 96 / 25.4, "cm": 96 / 2.54, "in": 96.0}
WRONG = (  # what it raises that is no picture, or one whose size no page has
    ElementTree.ParseError, OSError, SyntaxError, ValueError, binascii.Error, OverflowError,
    Image.DecompressionBombError,
)  # fmt: skip
LENGTH = re.compile(rf"\s*([\d.]+(?:e[+-]?\d+)?)\s*({'|'.join(PIXELS)})\s*", re.IGNORECASE)


def picture(kind: str, data: str, alt: str) -> str:
    """An image, with its size, so that nothing moves when it appears.

    An SVG is an image as well: nothing in it runs, asks outside or meets the ids of the page.

    Parameters
    ----------
    kind : str
        Its kind, `SVG` or one of `FORMATS`.
    data : str
        What a notebook stores: the text of an SVG, of other kinds the bytes in base64.
    alt : str
        What it shows.

    Raises
    ------
    BuildError
        There are no words for it, or it is not of its kind, or it is cut off.
    """
    if not alt.strip():
        raise BuildError("a picture has no alternative text: end with figures.show(figure, alt)")
    try:
        width, height = _size_of_svg(data) if kind == SVG else _size(kind, data)
    except WRONG as error:
        raise BuildError(f"a picture is no {kind} ({error}): make it anew") from None
    inside = base64.b64encode(data.encode()).decode() if kind == SVG else data.strip()
    return (
        f'<img src="data:{kind};base64,{inside}" alt="{escape(alt)}" '
        f'width="{width}" height="{height}">'
    )


def lighter(png: str) -> str:
    """The same pixels as WebP, for a picture that nobody saves; both in base64."""
    buffer = io.BytesIO()
    with Image.open(io.BytesIO(base64.b64decode(png))) as image:
        image.convert("RGB").save(buffer, "WEBP", lossless=True, quality=80, method=4)
    return base64.b64encode(buffer.getvalue()).decode()


def _size(kind: str, data: str) -> tuple[int, int]:
    """Width and height in pixels."""
    try:
        with Image.open(io.BytesIO(base64.b64decode(data)), formats=[FORMATS[kind]]) as image:
            image.verify()
            return image.size
    except UnidentifiedImageError:  # it would name an object of Python
        raise ValueError("it is of another kind") from None


def _size_of_svg(text: str) -> tuple[int, int]:
    """Width and height as a browser reads them; without them, those of its box."""
    root = ElementTree.fromstring(text)
    if root.tag != "{http://www.w3.org/2000/svg}svg":
        raise ValueError(f"its top is <{root.tag}>, not <svg> of the namespace of SVG")
    asked = [LENGTH.fullmatch(root.get(name, "")) for name in ("width", "height")]
    sizes = [float(one[1]) * PIXELS[one[2].lower()] for one in asked if one]
    if len(sizes) < 2:
        sizes = [float(number) for number in re.split(r"[\s,]+", root.get("viewBox", ""))[2:]]
    if len(sizes) != 2:
        raise ValueError("it has neither width and height nor a viewBox")
    return round(sizes[0]), round(sizes[1])

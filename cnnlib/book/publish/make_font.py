"""Makes the fonts of the pages: `python -m cnnlib.book.publish.make_font [TEXT NAMES]`.

The math font is STIX Two Math from the wheel of ziamath: of it stays what `font/characters.txt`
lists. A page that needs another character fails to build and says so: add it to that file and run
this again.

With two paths the fonts of the text are made as well. TEXT is the folder `files` of the npm package
@fontsource/stix-two-text, NAMES is NotoSerifCJK-Regular.ttc (Debian: fonts-noto-cjk): of that stays
what `font/names.txt` lists, the letters of names that STIX Two Text lacks.
"""

import sys
from collections.abc import Sequence
from importlib.resources import files
from pathlib import Path
from typing import Any

from cnnlib.data.files import replacing, write

from .formulas import FOLDER, FONT, drawn

# Primes are drawn differently in superscripts. The other script forms would double the file.
PRIMES = [
    f"{name}.{form}" for name in ("minute", "second", "uni2034") for form in ("ssty", "ssty2")
]
TEXT = {"text": "latin-400-normal", "bold": "latin-700-normal", "italic": "latin-400-italic"}


def main(paths: Sequence[str] = ()) -> None:
    """Write the subsets. This needs fontTools, brotli and ziamath, which are in the extra `dev`."""
    from fontTools import subset
    from fontTools.ttLib import TTCollection

    math = subset.load_font(
        str(files("ziamath") / "fonts" / "STIXTwoMath-Regular.ttf"), subset.Options()
    )
    _write(math, drawn(), FONT, layout_features=["ssty"], layout_closure=False, glyphs=PRIMES)
    if paths:
        text, names = paths
        for name, weight in TEXT.items():
            file = Path(text, f"stix-two-text-{weight}.woff2")
            write(FOLDER / f"{name}.woff2", file.read_bytes())
        chinese = next(
            font for font in TTCollection(names).fonts if "SC" in font["name"].getDebugName(1)
        )
        listed = set((FOLDER / "names.txt").read_text(encoding="utf-8")) - {"\n"}
        _write(chinese, listed, FOLDER / "names.woff2", layout_features=[])


def _write(font: Any, kept: set[str], file: Path, glyphs: tuple | list = (), **wanted: Any) -> None:
    """Write a font with these characters alone."""
    from fontTools import subset

    options = subset.Options(
        flavor="woff2",
        hinting=False,
        name_IDs=[0, 13, 14],
        notdef_outline=True,
        recalc_timestamp=False,
        **wanted,
    )
    options.drop_tables += ["DSIG", "GDEF", "GPOS", "gasp"]
    subsetter = subset.Subsetter(options)
    subsetter.populate(unicodes=map(ord, kept), glyphs=glyphs)
    subsetter.subset(font)
    with replacing(file) as target:
        subset.save_font(font, target, options)
    font.close()


if __name__ == "__main__":
    main(sys.argv[1:])

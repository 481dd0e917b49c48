"""Makes the math font of the pages: `python -m cnnlib.book.publish.make_font`.

It takes STIX Two Math from the wheel of ziamath and keeps what `font/characters.txt` lists. A page
that needs another character fails to build and says so: add it to that file and run this again.
"""

from importlib.resources import files

from cnnlib.data.files import replacing

from .formulas import FONT, characters, italic

# Primes are drawn differently in superscripts. The other script forms would double the file.
PRIMES = [
    f"{name}.{form}" for name in ("minute", "second", "uni2034") for form in ("ssty", "ssty2")
]


def main() -> None:
    """Write the subset. This needs fontTools, brotli and ziamath, which are in the extra `dev`."""
    from fontTools import subset

    options = subset.Options(
        flavor="woff2",
        hinting=False,
        layout_features=["ssty"],
        layout_closure=False,
        name_IDs=[0, 13, 14],
        notdef_outline=True,
        recalc_timestamp=False,
    )
    options.drop_tables += ["DSIG", "GDEF", "GPOS", "gasp"]
    source = files("ziamath") / "fonts" / "STIXTwoMath-Regular.ttf"
    font = subset.load_font(str(source), options)
    subsetter = subset.Subsetter(options)
    kept = characters() | {italic(character) for character in characters()}
    subsetter.populate(unicodes=map(ord, kept), glyphs=PRIMES)
    subsetter.subset(font)
    with replacing(FONT) as file:
        subset.save_font(font, file, options)
    font.close()


if __name__ == "__main__":
    main()

"""Record the moving picture at the head of the README: `python benchmarks/moving_picture.py`.

An explorer of the book, on its own page in chromium, goes through its outputs and then, the other
way round, through what its inputs owe. It wants playwright and chromium.
"""

import io
import shutil
import tempfile
from pathlib import Path

from PIL import Image

from cnnlib.book import ConvolutionExplorer
from cnnlib.data.files import write

TARGET = Path(__file__).parents[1] / ".github" / "explorer.webp"
# The picture shows what happens, not what one can press.
HIDDEN = ".cnn-controls, .cnn-folds, .embed { display: none !important; }"
PAUSE, LAST = 550, 1800  # milliseconds
CELLS = {"forward": 9, "delta": 25}
EVERY = {"forward": 1, "delta": 3}


def frames():
    """Pictures of one pass in each lens, with how long each stands."""
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright, tempfile.TemporaryDirectory() as folder:
        chromium = shutil.which("chromium") or shutil.which("google-chrome")
        browser = playwright.chromium.launch(executable_path=chromium)
        options = {"reduced_motion": "reduce", "bypass_csp": True}
        page = browser.new_context(viewport={"width": 720, "height": 700}, **options).new_page()
        for lens, cells in CELLS.items():
            side = round(cells**0.5)
            for cell in range(0, cells, EVERY[lens]):
                position = list(divmod(cell, side))
                explorer = ConvolutionExplorer(stride=2, padding=1, lens=lens, position=position)
                file = Path(folder, "page.html")
                file.write_text(explorer.page(), encoding="utf-8")
                page.goto(file.as_uri())
                page.wait_for_selector(".mounted")
                page.add_style_tag(content=HIDDEN)
                shot = page.locator(".cnn-explorer").screenshot()
                last = cell + EVERY[lens] >= cells
                yield Image.open(io.BytesIO(shot)).convert("RGB"), LAST if last else PAUSE
        browser.close()


def main():
    """Write the picture: as high as the highest frame, so that nothing jumps."""
    shots, pauses = zip(*frames(), strict=True)
    size = max(shot.width for shot in shots), max(shot.height for shot in shots)
    even = [Image.new("RGB", size, "white") for _ in shots]
    for ground, shot in zip(even, shots, strict=True):
        ground.paste(shot, (0, 0))
    packed = io.BytesIO()
    more = {"append_images": even[1:], "duration": list(pauses), "loop": 0}
    even[0].save(packed, "WEBP", save_all=True, lossless=True, method=6, **more)
    write(TARGET, packed.getvalue())
    print(f"{TARGET.name}: {len(even)} frames of {size}, {len(packed.getvalue()) // 1000} KB")


if __name__ == "__main__":
    main()

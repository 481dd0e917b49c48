"""What Jupyter's own `nbconvert --to html` and `--to slides` lack: a picture's alternative text.

`cnnlib.json` beside this file tells them of it; an installation puts that among Jupyter's settings.
"""

from html import escape
from typing import Any

from nbconvert.preprocessors import Preprocessor
from nbformat import NotebookNode


class AlternativeTexts(Preprocessor):
    """Shows a picture that has an alternative text as HTML, which keeps it."""

    def preprocess_cell(
        self, cell: NotebookNode, resources: dict[str, Any], index: int
    ) -> tuple[NotebookNode, dict[str, Any]]:
        """Add to each of the cell's pictures its element."""
        for output in cell.get("outputs", []):
            alt = output.get("metadata", {}).get("image/png", {}).get("alt")
            if alt and "image/png" in output.data and "text/html" not in output.data:
                png = "".join(output.data["image/png"].split())
                source = f"data:image/png;base64,{png}"
                output.data["text/html"] = f'<img alt="{escape(alt)}" src="{source}">'
        return cell, resources

"""The page of what a reader has solved, from what the browser keeps; nobody else sees it."""

from collections.abc import Mapping
from html import escape

from ...exercises import all_exercises

NAME = "progress"
TITLE = "Your progress"


def body(places: Mapping[str, str]) -> str:
    """The text of the page; `places` are the addresses of the exercises, by id."""
    rows = "".join(
        f'<tr data-exercise="{one.id}" data-points="{one.points}">'
        f'<td><a href="{escape(places[one.id])}">{one.id}</a></td>'
        f"<td>{one.points}</td><td>not yet</td></tr>\n"
        for one in all_exercises()
        if one.id in places
    )
    return f"""<h1 id="top">{TITLE}</h1>
<p>What you solved on these pages, in this browser. It stays on your machine unless you save it and
hand it in yourself.</p>
<p role="status" id="solved">Nothing is solved yet.</p>
<p><button type="button" id="save">Save as a file</button>
<button type="button" id="forget">Forget all of it</button></p>
<table><caption class="said">Exercises</caption>
<thead><tr><th>Exercise</th><th>Points</th><th>Solved</th></tr></thead>
<tbody>
{rows}</tbody></table>
"""

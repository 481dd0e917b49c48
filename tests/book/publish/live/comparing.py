"""Every cell of a page, run there and compared with what is committed."""

import configparser
import re
from pathlib import Path

FIRST_PART = "01_forward_pass"
# All parts of the chapters that a reader without Jupyter works through, and two sheets.
PAGES = (
    *("01_forward_pass_b", "01_forward_pass_c"),
    *("02_kernel_centre", "02_kernel_centre_b"),
    *("03_delta_backprop", "03_delta_backprop_b", "03_delta_backprop_c"),
    *("04_weight_gradients", "04_weight_gradients_b", "04_weight_gradients_c"),
    *("05_training", "05_training_b", "05_training_c", "05_training_d"),
    *("09_clinic", "09_clinic_b", "09_clinic_c"),
    *("law_sheet", "sources"),
)
BAR = re.compile(r"\d+%\|[^|]*\|[^]]*\]")  # of a loop that has ended: committed pages leave it out
SANITIZED = Path(__file__).parents[3] / "sanitize.cfg"
CELL = "const cell = document.querySelector(`[data-code-cell='${arguments[0]}']`);"
CELLS = """
return [...document.querySelectorAll("[data-code-cell]")]
  .filter((one) => one.querySelector("[data-do=run]"))  // not a hint, and not what runs elsewhere
  .map((one) => Number(one.dataset.codeCell));
"""
# The words of a cell's outputs without the links to files, and how many pictures there are. The
# words of an explorer are its own, and it is one picture; of a playground, the caption was there.
SHOWN = """
const place = cell.querySelector("[data-outputs]");
const words = (place?.querySelector(".panel ~ figcaption") ?? place)?.innerText ?? "";
const explorers = place?.querySelectorAll(".explorer").length ?? 0;
if (explorers && !place.querySelector(".panel")) return ["", explorers];
return [words.replaceAll(" PNG", ""), place?.querySelectorAll("img").length ?? 0];
"""


def lasting(text):
    """What outputs are compared by: neither spaces nor bars, and of a clock what notebooks may."""
    known = configparser.ConfigParser(interpolation=None)
    known.read(SANITIZED, encoding="utf-8")
    for section in known.values():
        if "regex" in section:
            text = re.sub(section["regex"], section["replace"], text)
    return re.sub(r"\s+", " ", BAR.sub("", text)).strip()


def differences(evaluate, run):
    """The cells that fail or show something else; `evaluate` runs a script, `run` a cell's button.

    `run` gives the state of the page then.
    """
    found, numbers = [], evaluate(CELLS)
    for number in numbers:
        words, pictures = evaluate(CELL + SHOWN, number)
        state = run(number)
        now, drawn = evaluate(CELL + SHOWN, number)
        words, now = lasting(words), lasting(now)
        if (state, now, drawn) != ("ready", words, pictures):
            found.append((number, state, (words, pictures), (now, drawn)))
    return len(numbers), found

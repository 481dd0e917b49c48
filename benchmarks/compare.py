"""Did a change make something slower? `make bench-compare OLD=before.json [NEW=after.json]`.

Both files come from `bench.py --json`. Without a second file the sections of the first are timed
anew. Two runs of a machine are not equally fast, so what is compared are ratios within one run: to
PyTorch's faster format, or where one file has no PyTorch, to a large matrix product.

The change is the new median ratio over the old one. Its interval comes from drawing the rounds of
both files again, at random, many times; it covers 99 % of the draws, since many figures are
compared. Slower is what is more than 10 % slower at either end of the interval. Then the exit
status is 1.
"""

import argparse
import json
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from measure import table
from summary import Group, reference

SECTIONS = ("convolutions", "training", "inference", "growth")  # whose groups time a whole call
SLOWER = 1.10
COVERED = 0.99
DRAWS = 4000


@dataclass(frozen=True)
class Change:
    """Of one figure: new median ratio over old, and its interval."""

    name: str
    against: str
    change: float
    low: float
    high: float

    @property
    def verdict(self) -> str:
        """One word, or nothing."""
        if self.low > SLOWER:
            return "SLOWER"
        return "faster" if self.high < 1 / SLOWER else ""


def changes(old: dict[str, Any], new: dict[str, Any]) -> list[Change]:
    """Of every figure that both records have."""
    found = []
    for section in SECTIONS:
        before, after = (record["times"].get(section, {}) for record in (old, new))
        for name in before:
            if "cnnlib" in before[name] and "cnnlib" in after.get(name, {}):
                label = name if section == "convolutions" else f"{section}: {name}"
                found += change(label, before[name], after[name])
    return found


def change(name: str, old: Group, new: Group) -> list[Change]:
    """Of one figure; none if the two have nothing in common to be measured against."""
    torch = reference(old), reference(new)
    against = torch if None not in torch else ("sgemm", "sgemm")
    if against[0] not in old or against[1] not in new:
        return []
    ratios = [
        np.divide(group["cnnlib"], group[to]) for group, to in zip((old, new), against, strict=True)
    ]
    before, after = (float(np.median(r)) for r in ratios)
    low, high = interval(*ratios)
    return [Change(name, against[1], after / before, low, high)]


def interval(old: np.ndarray, new: np.ndarray) -> tuple[float, float]:
    """Where the change lies when the rounds of both are drawn again."""
    rng = np.random.default_rng(0)
    before, after = (
        np.median(rng.choice(ratios, (DRAWS, len(ratios))), axis=1) for ratios in (old, new)
    )
    low, high = np.quantile(after / before, [(1 - COVERED) / 2, (1 + COVERED) / 2])
    return float(low), float(high)


def text(old: dict[str, Any], new: dict[str, Any]) -> str:
    """What differs between the machines, the table, and the sentence below."""
    lines = [
        f"another {fact}: {old['machine'].get(fact)} before, {new['machine'].get(fact)} now"
        for fact in {**old["machine"], **new["machine"]}
        if old["machine"].get(fact) != new["machine"].get(fact)
    ]
    found = changes(old, new)
    rows = [["", "against", "new / old", "interval", ""]]
    for one in found:
        span = f"{one.low:.2f} to {one.high:.2f}"
        rows.append([one.name, one.against, f"{one.change:.2f}", span, one.verdict])
    slower = [one.name for one in found if one.verdict == "SLOWER"]
    end = f"slower: {', '.join(slower)}" if slower else f"none of {len(found)} figures is slower"
    return "\n".join([*lines, table(rows), "", end])


def anew(old: dict[str, Any]) -> dict[str, Any]:
    """Time the sections and workloads of the old record that can be compared."""
    sections = [section for section in SECTIONS if section in old["times"]]
    works = {name.split()[0] for name in old["times"].get("convolutions", {})} or {"W1"}
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "new.json"
        command = [sys.executable, Path(__file__).with_name("bench.py"), "--json", path]
        command += ["--only", *sections, "--workloads", *sorted(works)]
        command += ["--rounds", str(old["rounds"])]
        subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
        return json.loads(path.read_text())


def main() -> None:
    """Print the table; fail if something is slower."""
    parser = argparse.ArgumentParser(description="Compare two records of bench.py.")
    parser.add_argument("old", type=Path, help="the record from before: bench.py --json writes it")
    parser.add_argument("new", type=Path, nargs="?", help="the record from now; or time it anew")
    given = parser.parse_args()
    for path in (given.old, given.new):
        if path and not path.is_file():
            parser.error(f"there is no {path}; make bench writes build/bench.json: copy it")
    old = json.loads(given.old.read_text())
    new = json.loads(given.new.read_text()) if given.new else anew(old)
    print(text(old, new))
    sys.exit(any(one.verdict == "SLOWER" for one in changes(old, new)))


if __name__ == "__main__":
    main()

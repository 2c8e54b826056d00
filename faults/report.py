"""Results: what a row came to, kept in a file, as a line, as a table and as a page of the documentation.

Runs nothing. Where it stands: under run.py.
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from catalogue import CATALOGUE, Figures, Row, Value

OURS, PEER = "dispatcher", "dispatcherd"


@dataclass
class Result:
    """One row with one system."""

    row: int
    system: str
    figures: Figures = field(default_factory=dict)
    instead: str = ""
    """Why it was not run."""
    failed: str = ""
    """Why there are no figures although it was run."""
    seconds: float = 0.0
    quick: bool = False

    def verdict(self, row: Row) -> str:
        """`met`, or what was not; what was not run is neither."""
        if self.instead:
            return f"not run: {self.instead}"
        if self.failed:
            return f"**no figures**: {self.failed}"
        missed = row.missed(self.figures)
        return "**missed**: " + ", ".join(target.text for target in missed) if missed else "met"


@dataclass
class Kept:
    """The latest result of each row and system, and what they were made with."""

    about: dict[str, Any] = field(default_factory=dict)
    results: dict[tuple[int, str], Result] = field(default_factory=dict)

    @classmethod
    def load(cls, path: Path) -> Kept:
        """From a file."""
        text = json.loads(path.read_text())
        results = [Result(**result) for result in text["results"]]
        return cls(text["about"], {(result.row, result.system): result for result in results})

    def store(self, path: Path) -> None:
        """Into a file."""
        results = [asdict(self.results[key]) for key in sorted(self.results)]
        path.write_text(json.dumps({"about": self.about, "results": results}, indent=1))

    def add(self, result: Result) -> None:
        """In place of an earlier one."""
        self.results[result.row, result.system] = result

    def missed(self, row: Row, system: str) -> bool:
        """Whether the row was run and is not as it should be."""
        result = self.results.get((row.number, system))
        return bool(result and not result.instead and result.verdict(row) != "met")


def show(value: Value) -> str:
    """A figure in few characters."""
    if value is None:
        return "never"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, float):
        return f"{value:.0f}" if abs(value) >= 100 else f"{value:.3g}"
    return str(value)


def words(figures: Figures) -> str:
    """All figures."""
    return ", ".join(f"{name} {show(value)}" for name, value in figures.items())


def line(row: Row, result: Result) -> str:
    """A result in one line."""
    return " ".join(filter(None, [words(result.figures), "=>", result.verdict(row), f"({result.seconds} s)"]))


def table(rows: list[Row], kept: Kept) -> str:
    """The rows as a table in Markdown, both systems side by side."""
    lines = [
        "| row | fault | target | dispatcher | verdict | dispatcherd | verdict |",
        "| --- | --- | --- | --- | --- | --- | --- |",
    ]
    for row in rows:
        cells = [str(row.number), row.title, ", ".join(target.text for target in row.targets)]
        for system in (OURS, PEER):
            result = kept.results.get((row.number, system))
            cells += [words(result.figures), result.verdict(row)] if result else ["", ""]
        lines.append("| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |")
    return "\n".join(lines)


HEAD = """\
# Faults

What comes of each fault of the catalogue, measured; the same beside it for {peer}, in the same run. What ran is
read from a ledger that the tasks write, never asked of the service. **This page is written by a command** and is never
edited:

```
{command}
```

{date}, {machine}, Python {python}, Postgres {postgres}, 4 workers unless the row says otherwise.

- `met` is judged by the figures against the target. A figure that is `never` was waited for in vain.
- `slot_back_s`: from the death until a task that had waited began in every slot, with nothing else arriving.
- `control_ms`: the slowest answer to `alive` over the socket while the fault went on; wanted: less than 100.
  `machine_late_ms`: by how much a sleeping process was late meanwhile, so what the machine adds.
- `lost`: sent while the service could hear, and not run, other than the tasks that break things. `unexplained`: of
  everything that did not end, what the log does not name.
- `left_processes`: what lives half a second after the end of the service.

"""


def page(kept: Kept) -> str:
    """The page of the documentation: a table a group."""
    parts = [HEAD.format(**kept.about)]
    rows = [CATALOGUE.rows[number] for number in sorted(CATALOGUE.rows)]
    for group in dict.fromkeys(row.group for row in rows):
        title = group[0].upper() + group[1:]
        parts.append(f"## {title}\n\n{table([row for row in rows if row.group == group], kept)}\n\n")
    return "".join(parts).rstrip() + "\n"

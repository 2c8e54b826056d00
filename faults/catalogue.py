"""The table as data: a row a fault, what is wanted of each, and the verdict on its figures.

Breaks nothing and measures nothing. Where it stands: the rows_*.py register their functions here; run.py walks the
table.
"""

from __future__ import annotations

import operator
import re
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from stage import Stage

Value = float | int | bool | str | None
"""A figure; None says that what it measures never happened."""
Figures = dict[str, Value]
Inject = Callable[["Stage"], Figures]

COMPARISONS: dict[str, Callable[[float, float], bool]] = {
    "<": operator.lt,
    "<=": operator.le,
    "=": operator.eq,
    ">": operator.gt,
    ">=": operator.ge,
}
TARGET = re.compile(r"(?P<figure>\w+) (?P<how><=|>=|<|>|=) (?P<value>\S+)")
CONTROL = "control_ms < 100"
"""What is wanted wherever control is asked while a fault goes on."""


class Unavailable(RuntimeError):
    """This machine or this system cannot do the row, and the text says why."""


@dataclass(frozen=True)
class Target:
    """What is wanted of one figure: `slot_back_s < 0.5`."""

    text: str

    @property
    def figure(self) -> str:
        """The name of the figure."""
        return self._parts()[0]

    def _parts(self) -> tuple[str, str, str]:
        found = TARGET.fullmatch(self.text)
        if not found:
            raise ValueError(f"{self.text!r} is no target: FIGURE < VALUE, with < <= = >= >")
        return found["figure"], found["how"], found["value"]

    def met(self, figures: Figures) -> bool:
        """Whether the figures fulfil it; what never happened and what was not measured do not."""
        name, how, wanted = self._parts()
        value = figures.get(name)
        if wanted in ("true", "false"):
            return value is (wanted == "true")
        return isinstance(value, int | float) and COMPARISONS[how](value, float(wanted))


@dataclass(frozen=True)
class Row:
    """One fault."""

    number: int
    title: str
    group: str
    targets: tuple[Target, ...] = ()
    inject: Inject | None = None
    """Breaks it and gives the figures; None for a row that is listed and not run."""
    instead: str = ""
    """Why it is not run."""
    smoke: bool = False
    """Short and sharp enough for the tests."""

    def wanted(self, figures: Figures) -> list[Target]:
        """Its targets, and that of control where it was asked."""
        return [*self.targets, *([Target(CONTROL)] if "control_ms" in figures else [])]

    def missed(self, figures: Figures) -> list[Target]:
        """The targets that these figures do not fulfil."""
        return [target for target in self.wanted(figures) if not target.met(figures)]


@dataclass
class Catalogue:
    """Every row, by number."""

    rows: dict[int, Row] = field(default_factory=dict)

    def row(
        self, number: int, title: str, group: str, *targets: str, smoke: bool = False
    ) -> Callable[[Inject], Inject]:
        """Registers the function below it as a row."""

        def register(inject: Inject) -> Inject:
            self.add(Row(number, title, group, tuple(map(Target, targets)), inject, smoke=smoke))
            return inject

        return register

    def listed(self, number: int, title: str, group: str, instead: str) -> None:
        """Registers a row that is not run, and why."""
        self.add(Row(number, title, group, instead=instead))

    def add(self, row: Row) -> None:
        """Registers a row; a number is used once."""
        if row.number in self.rows:
            raise ValueError(f"row {row.number} is there twice")
        self.rows[row.number] = row

    def select(self, words: str | None) -> list[Row]:
        """Rows by number: `1,5-8`; all when nothing is said."""
        numbers = set(self.rows)
        if words:
            numbers = set()
            for word in words.split(","):
                first, _, last = word.partition("-")
                numbers |= set(range(int(first), int(last or first) + 1))
        if unknown := numbers - set(self.rows):
            raise ValueError(f"there is no row {min(unknown)}; rows are {min(self.rows)} to {max(self.rows)}")
        return [self.rows[number] for number in sorted(numbers)]


CATALOGUE = Catalogue()
WORKERS, SERVICE, POSTGRES, MESSAGES = "workers", "service", "Postgres", "messages"

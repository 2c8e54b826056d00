"""The fault table: `python faults/run.py`, or `make faults`.

Breaks one thing after another, of this service and of dispatcherd beside it, on a Postgres of its own, and says for
each what came of it and whether that is what is wanted. Progress goes to stderr, the table to stdout. It ends with 0
when no row of this service missed its target.
"""

from __future__ import annotations

import argparse
import os
import platform
import shlex
import signal
import sys
import tempfile
import time
from pathlib import Path

HERE = Path(__file__).resolve().parent

sys.path.insert(0, str(HERE.parent / "tools"))

import compared  # noqa: E402
import pg_binaries  # noqa: E402
import report  # noqa: E402
import rows  # noqa: E402
from catalogue import CATALOGUE, Row, Unavailable  # noqa: E402
from report import Result  # noqa: E402
from stage import Cluster, Stage  # noqa: E402

NAMES = ("ours", "peer")
MEMORY = Path("/dev/shm")
"""Where the ledger is, so that no disk has a part in the figures."""
PEER = "FAULTS_PEER_PYTHON"
"""Where dispatcherd is installed; it is left out where it is not."""


def parse_arguments() -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(description="Breaks one thing after another and says what came of it.")
    parser.add_argument("--rows", help="numbers, as 1,5-8 (default: all)")
    parser.add_argument("--system", default="ours,peer", help="ours, peer or both (default %(default)s)")
    parser.add_argument("--quick", action="store_true", help="less traffic and shorter waits")
    parser.add_argument("--json", type=Path, metavar="FILE", help="keep the figures, with those that are there already")
    parser.add_argument("--report", type=Path, metavar="FILE", help="break nothing; print the table of kept figures")
    parser.add_argument("--write", type=Path, metavar="PAGE", help="write the page of the table as well")
    return parser.parse_args()


def say(text: str) -> None:
    """Progress."""
    print(text, file=sys.stderr, flush=True)


def systems(words: str) -> list[compared.System]:
    """Those that were asked for and are installed."""
    asked = words.split(",")
    if unknown := set(asked) - set(NAMES):
        raise ValueError(f"there is no system {unknown.pop()}; there are ours and peer")
    found = [compared.ours()] if "ours" in asked else []
    if "peer" in asked:
        named = os.environ.get(PEER)
        if compared.peer_python(named).exists():
            found.append(compared.peer(named))
        else:
            say(f"{compared.PEER} is not installed; {PEER} names the Python that has it")
    return found


def run_row(row: Row, system: compared.System, cluster: Cluster, place: Path, quick: bool) -> Result:
    """One row with one system."""
    if row.inject is None:
        return Result(row.number, system.name, instead=row.instead)
    began = time.monotonic()
    stage = Stage(system, cluster, place / f"{row.number}-{system.name}", quick)
    result = Result(row.number, system.name, quick=quick)
    try:
        result.figures = row.inject(stage)
    except Unavailable as reason:
        result.instead = str(reason)
    except Exception as error:
        result.failed = f"{type(error).__name__}: {error}"
    finally:
        stage.close()
        cluster.mend()
    result.seconds = round(time.monotonic() - began, 1)
    return result


def run_rows(chosen: list[Row], asked: argparse.Namespace, keep: report.Kept) -> None:
    """Every row with every system, kept as soon as it is there."""
    cluster = Cluster()
    try:
        cluster.start()
        keep.about |= {
            "date": time.strftime("%Y-%m-%d"),
            "machine": f"{len(os.sched_getaffinity(0))} processors, Linux {platform.release()}",
            "python": platform.python_version(),
            "postgres": pg_binaries.major_version(cluster.server.binaries),
            "peer": compared.PEER.replace("==", " "),
        }
        # A row that is run again belongs to the same table.
        if not asked.rows or "command" not in keep.about:
            keep.about["command"] = shlex.join(["python", *sys.argv])
        with tempfile.TemporaryDirectory(prefix="dispatcher-faults-", dir=MEMORY if MEMORY.is_dir() else None) as place:
            for row in chosen:
                for system in systems(asked.system):
                    say(f"{row.number:2} {row.title} ({system.name}) …")
                    result = run_row(row, system, cluster, Path(place), asked.quick)
                    keep.add(result)
                    say("   " + report.line(row, result))
                    if asked.json:
                        asked.json.parent.mkdir(exist_ok=True)
                        keep.store(asked.json)
    finally:
        cluster.remove()


def main() -> int:
    """Does what the command line says."""
    asked = parse_arguments()
    rows.load()
    kept = asked.report or asked.json
    keep = report.Kept.load(kept) if kept and kept.exists() else report.Kept()
    try:
        chosen = CATALOGUE.select(asked.rows)
        if not asked.report:
            signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))  # so that what was started is ended
            run_rows(chosen, asked, keep)
    except ValueError as error:
        say(f"run.py: {error}")
        return 2
    if asked.write:
        asked.write.write_text(report.page(keep))
    print(report.table(chosen, keep))
    missed = [row.number for row in chosen if keep.missed(row, "dispatcher")]
    if missed:
        say(f"missed: rows {', '.join(map(str, missed))}")
    return int(bool(missed))


if __name__ == "__main__":
    sys.exit(main())

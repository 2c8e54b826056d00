"""Random faults against one service: `python faults/soak.py --minutes 60 --seed 7`, or `make soak`.

Steady work goes on all the time. At the end a checker decides over the whole history whether what is promised was
kept, and whether slots, processes, descriptors or memory are gone. Progress goes to stderr, the figures to stdout. It
ends with 0 when everything was kept; the same seed breaks the same things in the same order.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import signal
import sys
import tempfile
import threading
import time
from pathlib import Path

HERE = Path(__file__).resolve().parent

sys.path.insert(0, str(HERE.parent / "tools"))

import checker  # noqa: E402
import compared  # noqa: E402
import processes  # noqa: E402
from catalogue import Figures, Target  # noqa: E402
from ledger import END, START  # noqa: E402
from nemesis import Nemesis  # noqa: E402
from report import show  # noqa: E402
from stage import Cluster, Stage  # noqa: E402
from trial import Trial  # noqa: E402

KEPT = (
    "I3_lost_and_not_said = 0",
    "I3_unaccounted = 0",
    "I4_alive = true",
    "I4_deaf_and_ready_s < 15",
    "I5_left_after_5_s = 0",
    "I6_longest_gap_s < 2",
    "slots_short = 0",
    "processes_more = 0",
    "descriptors_more = 0",
    "rss_mib_an_hour_at_least < 1",
)
"""What has to be kept. Growth is judged by what it is at least, its error taken off: a short soak proves no leak."""
GRACES = {"service": {"cancel_grace": 0.5, "terminate_grace": 0.5}}


def parse_arguments() -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(description="Random faults against one service, and a verdict at the end.")
    parser.add_argument("--minutes", type=float, default=60, help="how long (default %(default)s)")
    parser.add_argument("--seed", type=int, default=None, help="what decides the faults (default: by chance)")
    parser.add_argument("--rate", type=float, default=20, help="tasks a second (default %(default)s)")
    parser.add_argument("--json", type=Path, metavar="FILE", help="keep the figures")
    return parser.parse_args()


def say(text: str) -> None:
    """Progress."""
    print(text, file=sys.stderr, flush=True)


def watch(trial: Trial, samples: checker.Samples, over: threading.Event) -> None:
    """Looks at the service each second."""
    while not over.wait(1.0):
        now = time.monotonic()
        samples.ready.append((now, trial.ready()))
        if memory := processes.rss(trial.pid):
            samples.rss.append((now, memory))


def torment(trial: Trial, nemesis: Nemesis, until: float, rate: float) -> None:
    """One fault after another, while work goes on."""
    began = time.monotonic()
    with trial.traffic(rate, 0.01):
        while time.monotonic() < until and trial.alive():
            time.sleep(nemesis.chance.uniform(0.2, 2))
            event = nemesis.strike()
            at, took = event.began - began, event.ended - event.began
            say(f"{at:7.1f} s  {event.name.replace('_', ' ')} ({took:.1f} s)")


def fill(trial: Trial) -> None:
    """Fills what the service remembers of ended tasks, so that filling it does not look like a leak."""
    failing = [trial.send("fail", count=False) for _ in range(600)]
    trial.wait_for(START, failing, 60)
    trial.wait_for(END, [trial.send("work", count=False) for _ in range(1200)], 60)


def rest(trial: Trial) -> None:
    """All work over, and every worker has run something."""
    trial.settle(60, quiet=5)
    trial.wait_for(END, [trial.send("work", 0.5) for _ in range(trial.workers)], 30)
    time.sleep(2)


def end(trial: Trial, chance: random.Random) -> Figures:
    """The end, gentle or not: nothing may be left after 5 s."""
    how = chance.choice([signal.SIGTERM, signal.SIGKILL])
    os.kill(trial.pid, how)
    code = trial.wait_exit(30)
    trial.wait(lambda: not trial.family(), 5)
    return {"ended_by": how.name, "exit": code, "I5_left_after_5_s": len(trial.family())}


def soak(stage: Stage, seed: int, minutes: float, rate: float) -> Figures:
    """One service from its start to its end; gives every figure."""
    samples, over = checker.Samples(), threading.Event()
    # Pieces of which some never come are kept for a minute, and not for half an hour as they would be.
    short = {"main_kwargs": {"chunk_message_timeout_seconds": 60}}
    with stage.trial(service=short, own=GRACES).start() as trial:
        nemesis = Nemesis(trial, stage.cluster, seed)
        fill(trial)
        rest(trial)
        trial.setting.page("/metrics")  # opens a connection to Postgres, which is kept
        time.sleep(1)
        family, descriptors = len(trial.family()), processes.descriptors(trial.pid)
        watcher = threading.Thread(target=watch, args=(trial, samples, over), daemon=True)
        watcher.start()
        torment(trial, nemesis, time.monotonic() + minutes * 60, rate)
        rest(trial)
        over.set()
        watcher.join(10)
        answer = trial.setting.page("/metrics")
        figures = checker.check(trial, nemesis, samples, answer[1] if answer else "")
        pool = (trial.control("main") or {}).get("pool", {})
        figures["slots_short"] = trial.workers - int(pool.get("worker_ct", 0))
        # What was asked last may not be closed yet at the other end.
        trial.wait(
            lambda: processes.descriptors(trial.pid).total() <= descriptors.total() and len(trial.family()) <= family, 5
        )
        figures["processes_more"] = len(trial.family()) - family
        now = processes.descriptors(trial.pid)
        figures["descriptors_more"] = now.total() - descriptors.total()
        figures["descriptors_new"] = (
            ", ".join(f"{count} {kind}" for kind, count in (now - descriptors).items()) or "none"
        )
        figures |= end(trial, nemesis.chance)
        growth, error = figures["rss_mib_an_hour"], figures["rss_error"]
        least = float(growth or 0) - float(error) if error is not None else 0.0
        say("RSS in MiB each minute: " + " ".join(f"{size:.2f}" for _, size in samples.rss[::60]))
        return {**figures, "rss_mib_an_hour_at_least": round(least, 2)}


def main() -> int:
    """Does what the command line says."""
    asked = parse_arguments()
    seed = asked.seed if asked.seed is not None else random.SystemRandom().randrange(1_000_000)
    say(f"seed {seed}, {asked.minutes:g} minutes, {asked.rate:g} tasks a second")
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))  # so that what was started is ended
    cluster = Cluster()
    try:
        with tempfile.TemporaryDirectory(prefix="dispatcher-soak-") as place:
            stage = Stage(compared.ours(), cluster.start(), Path(place) / "soak")
            try:
                figures = {"seed": seed, **soak(stage, seed, asked.minutes, asked.rate)}
            finally:
                stage.close()
    finally:
        cluster.remove()
    if asked.json:
        asked.json.write_text(json.dumps(figures, indent=1))
    for name, value in figures.items():
        print(f"{name:26} {show(value)}")
    broken = [text for text in KEPT if not Target(text).met(figures)]
    print("kept" if not broken else f"BROKEN: {', '.join(broken)}")
    return int(bool(broken))


if __name__ == "__main__":
    sys.exit(main())

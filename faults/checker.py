"""Decides over the whole history of a soak: what was promised, and what leaked.

Reads the ledger, the service's log and counters, the journal of faults and the samples; breaks and asks nothing.
Where it stands: soak.py calls it at the end.
"""

from __future__ import annotations

import math
import re
from bisect import bisect_left, bisect_right
from dataclasses import dataclass, field
from itertools import groupby
from statistics import fmean

from catalogue import Figures
from nemesis import LINE, WHOLE, WORKER, Event, Nemesis
from trial import Trial

WARM_UP, WARM_UP_PART = 300.0, 0.25
"""Seconds, and the part of a soak, whichever is more, that do not count for growth: what is kept in bounds fills up."""
BLOCK = 20.0
"""Seconds whose samples are taken together, as neighbours depend on each other."""
SAMPLE = re.compile(r"^(dispatcher_\w+?)(?:\{.*\})? (\S+)$", re.M)

NAMED = re.compile(r'^dispatcher_messages_refused_total\{reason="(?:bad_name|policy)"\} (\S+)$', re.M)
"""Tasks that could be read and were refused for their name."""


@dataclass
class Samples:
    """What was seen of the service each second."""

    ready: list[tuple[float, bool | None]] = field(default_factory=list)
    rss: list[tuple[float, float]] = field(default_factory=list)

    def ready_at(self) -> list[float]:
        """When it said that it was ready; in order."""
        return [at for at, ready in self.ready if ready]


def slope(points: list[tuple[float, float]]) -> tuple[float, float]:
    """MiB an hour by least squares over means of blocks, and twice its standard error; infinite from too few blocks."""
    if not points:
        return 0.0, math.inf
    first = points[0][0]
    blocks = [list(block) for _, block in groupby(points, lambda point: (point[0] - first) // BLOCK)]
    at = [fmean(time for time, _ in block) / 3600 for block in blocks]
    size = [fmean(value for _, value in block) for block in blocks]
    if len(blocks) < 4:
        return 0.0, math.inf
    mean_at, mean_size = fmean(at), fmean(size)
    spread = sum((time - mean_at) ** 2 for time in at)
    steep = sum((time - mean_at) * (value - mean_size) for time, value in zip(at, size, strict=True)) / spread
    rest = sum((value - mean_size - steep * (time - mean_at)) ** 2 for time, value in zip(at, size, strict=True))
    return steep, 2 * math.sqrt(rest / (len(blocks) - 2) / spread)


def totals(page: str) -> dict[str, float]:
    """The sum of each metric over its labels."""
    sums: dict[str, float] = {}
    for name, value in SAMPLE.findall(page):
        sums[name] = sums.get(name, 0.0) + float(value)
    return sums


def away(journal: list[Event], samples: Samples) -> list[tuple[float, float]]:
    """When the service could not hear: from a fault of the line until it said again that it could."""
    ready_at = samples.ready_at()

    def back(event: Event) -> float:
        place = bisect_left(ready_at, event.ended)
        return ready_at[place] if place < len(ready_at) else event.ended

    return [(event.began - 0.1, back(event) + 0.1) for event in journal if event.hits == LINE]


def unaccounted(page: str) -> int:
    """I3 by the service's own counters: taken in, and neither ended, dropped nor here."""
    sums = totals(page)
    taken = sums["dispatcher_messages_received_total"] - sums["dispatcher_control_messages_count_total"]
    known = ("dispatcher_tasks_ended_total", "dispatcher_tasks_dropped_total", "dispatcher_tasks")
    named = sum(float(count) for count in NAMED.findall(page))
    return round(taken - named - sum(sums.get(name, 0.0) for name in known))


def deaf_and_ready(trial: Trial, samples: Samples) -> float:
    """I4: the longest time for which it said to be ready while nothing of what was sent was run."""
    unfinished = trial.unfinished()
    ready_at = samples.ready_at()
    longest, since = 0.0, None
    for number, at in sorted(trial.publisher.sent.items(), key=lambda item: item[1]):
        place = bisect_right(ready_at, at - 1)
        ready = place < len(ready_at) and ready_at[place] < at + 1
        if number not in unfinished or not ready:
            since = None
            continue
        since = at if since is None else since
        longest = max(longest, at - since)
    return longest


def gaps(trial: Trial, nemesis: Nemesis) -> float:
    """I6: the longest time without the end of any task while one worker was broken."""
    others = set(trial.publisher.sent) - nemesis.victims
    quiet = [event for event in nemesis.journal if event.hits == WORKER]
    loud = [event for event in nemesis.journal if event.hits in (LINE, WHOLE)]
    apart = [
        event
        for event in quiet
        if not any(other.began < event.ended + 1 and event.began < other.ended + 1 for other in loud)
    ]
    return max((trial.ledger.longest_gap(event.began, event.ended, others) for event in apart), default=0.0)


def check(trial: Trial, nemesis: Nemesis, samples: Samples, page: str) -> Figures:
    """Every figure that the invariants speak of."""
    said = trial.said()
    windows = away(nemesis.journal, samples)
    unfinished = trial.unfinished()
    meanwhile = {
        number
        for number in unfinished
        if any(began <= trial.publisher.sent[number] <= ended for began, ended in windows)
    }
    silent = {number for number in unfinished - meanwhile if number not in said}
    warm = [point for point in samples.rss if point[0] - samples.rss[0][0] >= WARM_UP]
    warm = warm[max(0, int(len(samples.rss) * WARM_UP_PART) - (len(samples.rss) - len(warm))) :]
    steep, error = slope(warm)
    return {
        "faults": len(nemesis.journal),
        "sent": len(trial.publisher.sent),
        "lost_while_away": len(meanwhile),
        "lost_and_said": len(unfinished - meanwhile - silent),
        "I3_lost_and_not_said": len(silent),
        "I3_unaccounted": unaccounted(page) if page else None,
        "second_runs": trial.ledger.extra_starts(trial.publisher.sent),
        "I4_alive": trial.alive(),
        "I4_deaf_and_ready_s": round(deaf_and_ready(trial, samples), 1),
        "I6_longest_gap_s": round(gaps(trial, nemesis), 2),
        "rss_mib_first": round(warm[0][1], 2) if warm else None,
        "rss_mib_last": round(warm[-1][1], 2) if warm else None,
        "rss_mib_an_hour": round(steep, 2),
        "rss_error": round(error, 2) if math.isfinite(error) else None,
    }

"""Figures of the worker: tasks a second, time to fork, memory. `python tests/workers/measure.py`.

One worker is kept supplied with eight tasks that do nothing, as a service does it for short tasks.
"""

from __future__ import annotations

import argparse
import os
import statistics
import tempfile
import time
import uuid
from pathlib import Path

from harness import Template, Worker, setup_packet

AHEAD = 8


def rate(worker: Worker, count: int) -> float:
    """Tasks a second."""
    head = b'{"event":"run","seq":'
    tail = (
        b',"attempt":1,"trusted":false,"message":{"task": "worker_tasks.nothing", "time_pub": 1764000000.5,'
        b'"uuid":"3b241101-e2bb-4255-8caf-4136c566a962","channel":"test_channel"}}\n'
    )
    seq = worker.seq
    assert worker.tickets
    given = worker.tickets[1]

    def give(number: int) -> None:
        nonlocal seq
        first = seq + 1
        seq += number
        os.write(given, b"".join([n.to_bytes(8, "little") for n in range(first, seq + 1)]))
        worker.sock.sendall(b"".join([b"%b%d%b" % (head, n, tail) for n in range(first, seq + 1)]))

    started = time.perf_counter()
    give(AHEAD + 1)
    sent, done = AHEAD + 1, 0
    while done < count:
        ended = worker.sock.recv(65536).count(b"\n")
        done += ended
        number = min(ended, count - sent)
        if number > 0:
            give(number)
            sent += number
    worker.seq = seq
    return count / (time.perf_counter() - started)


def cpu(pid: int) -> float:
    """Seconds of processor time."""
    fields = Path(f"/proc/{pid}/stat").read_bytes().rpartition(b")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def memory(pid: int, key: str = "Pss:") -> int:
    """Proportional set size in kilobytes; with `Pss_Anon:` without the files that other programs use too."""
    for line in Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines():
        if line.startswith(key):
            return int(line.split()[1])
    return 0


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--tasks", type=int, default=200_000)
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        log = Path(folder, "log")
        bare = Template(log, uuid.uuid4().hex, setup_packet())
        bare.expect("ready")
        template = bare.process.pid
        for number in (2, 12):
            while len(bare.workers) < number:
                bare.fork(len(bare.workers))
            pids = [template, *(worker.pid for worker in bare.workers)]
            total, anonymous = sum(map(memory, pids)), sum(memory(pid, "Pss_Anon:") for pid in pids)
            print(
                f"pss, {number} idle workers: template={memory(template)} kB, a worker={memory(pids[-1])} kB, "
                f"all={total} kB, of which {anonymous} kB belong to no file"
            )
        bare.go()
        bare.process.wait()

        template_of_tasks = Template(log, uuid.uuid4().hex, setup_packet(["worker_tasks"]))
        template_of_tasks.expect("ready")
        times = []
        for number in range(30):
            begun = time.perf_counter()
            template_of_tasks.fork(number)
            times.append(time.perf_counter() - begun)
        times.sort()
        middle, worst = statistics.median(times) * 1e3, times[-1] * 1e3
        print(f"fork request to ready: best={times[0] * 1e3:.2f} ms, median={middle:.2f} ms, worst={worst:.2f} ms")
        worker = template_of_tasks.workers[0]
        rate(worker, 20_000)
        for _ in range(3):
            before = cpu(worker.pid)
            speed = rate(worker, arguments.tasks)
            used = (cpu(worker.pid) - before) / arguments.tasks * 1e6
            print(
                f"tasks that do nothing, one worker, {AHEAD} ahead: {speed:,.0f} a second, "
                f"{used:.1f} us of the worker's processor time each ({1e6 / used:,.0f} a second on a core of its own)"
            )
        template_of_tasks.go()
        template_of_tasks.process.wait()


if __name__ == "__main__":
    main()

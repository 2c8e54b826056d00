"""Tasks that are handed out early, and taken back."""

from __future__ import annotations

import os
import random
from pathlib import Path

from harness import Worker, wait_until

from dispatcher.worker.tickets import Tickets

TICKETS = 8


def pipe() -> tuple[Tickets, int]:
    reading, writing = os.pipe()
    return Tickets(reading), writing


def test_a_ticket_is_taken_for_its_frame() -> None:
    tickets, writing = pipe()
    os.write(writing, b"".join(n.to_bytes(8, "little") for n in (1, 2)))
    assert tickets.claim(1) and tickets.claim(2)
    assert not tickets.claim(3)


def test_a_later_ticket_drops_earlier_frames_and_stays_for_its_own() -> None:
    tickets, writing = pipe()
    os.write(writing, (5).to_bytes(8, "little"))
    assert not tickets.claim(3) and not tickets.claim(4)
    assert tickets.claim(5)


def test_a_ticket_of_a_frame_that_was_dropped_is_passed_over() -> None:
    tickets, writing = pipe()
    assert not tickets.claim(1)
    os.write(writing, b"".join(n.to_bytes(8, "little") for n in (1, 2)))
    assert tickets.claim(2)


def test_a_closed_pipe_gives_no_ticket() -> None:
    tickets, writing = pipe()
    os.close(writing)
    assert not tickets.claim(1)


def test_tasks_handed_out_early_run_in_order(worker: Worker) -> None:
    frames = [worker.run_frame("worker_tasks.give", n) for n in range(TICKETS)]
    worker.give_tickets(*(frame["seq"] for frame in frames))
    worker.send(*frames)
    assert [worker.done()["result"] for _ in frames] == list(range(TICKETS))


def test_tasks_that_are_taken_back_do_not_run(worker: Worker, tmp_path: Path) -> None:
    here, go = tmp_path / "here", tmp_path / "go"
    first = worker.run("worker_tasks.wait_for", str(here), str(go))
    frames = [worker.run_frame("worker_tasks.note", n) for n in range(4)]
    worker.give_tickets(*(frame["seq"] for frame in frames))
    worker.send(*frames)
    wait_until(here.exists, "the first task")
    assert worker.take_back() == [frame["seq"] for frame in frames]
    go.touch()
    worker.done(first)
    assert worker.call("worker_tasks.noted")["result"] == []


def test_a_task_that_is_handed_out_anew_runs_once(worker: Worker, tmp_path: Path) -> None:
    here, go = tmp_path / "here", tmp_path / "go"
    first = worker.run("worker_tasks.wait_for", str(here), str(go))
    worker.run("worker_tasks.note", 1, uuid="again")
    wait_until(here.exists, "the first task")
    assert len(worker.take_back()) == 1
    worker.run("worker_tasks.note", 2, uuid="again")
    go.touch()
    worker.done(first)
    worker.done("again")
    assert worker.call("worker_tasks.noted")["result"] == [2]


def test_taking_back_at_any_moment_leaves_each_task_with_one_side(worker: Worker) -> None:
    chance = random.Random(1)
    for _ in range(1500):
        frames = [worker.run_frame("worker_tasks.spin", chance.random() * 5e-5) for _ in range(5)]
        by_seq = {frame["seq"]: frame["message"]["uuid"] for frame in frames}
        worker.give_tickets(*by_seq)
        worker.send(*frames)
        for _ in range(chance.randrange(200)):
            pass
        back = worker.take_back()
        assert back == sorted(back)
        for uuid in [uuid for seq, uuid in by_seq.items() if seq not in back]:
            worker.done(uuid)
    assert worker.silent()

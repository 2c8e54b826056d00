"""What `dispatcher.testing.published` notes, and what its assertions say when they fail."""

from __future__ import annotations

import datetime
import threading
from typing import Any
from unittest.mock import ANY

import pytest

from dispatcher import config
from dispatcher.publish import submit_many, submit_task, task
from dispatcher.testing import PublishedTasks, published


@task(queue="mail", timeout=5)
def send(to: str, copies: int = 1) -> None:
    pass


@task()
def count(*numbers: object) -> None:
    pass


SEND, COUNT = f"{__name__}.send", f"{__name__}.count"


def complaint(tasks: PublishedTasks, *args: Any, **options: Any) -> list[str]:
    with pytest.raises(AssertionError) as caught:
        tasks.assert_published(*args, **options)
    return str(caught.value).replace(f"{__name__}.", "").splitlines()


def test_every_way_to_publish_is_noted_without_any_settings() -> None:
    with published() as tasks:
        body, channel = send.delay("ann")
        send.apply_async(kwargs={"to": "bob"}, queue="slow", delay=60)
        submit_task(count, args=(1, 2))
        submit_many(count, [[1], [2]])
    assert channel == "mail"
    first = tasks[0]
    assert (first.task, first.args, first.kwargs, first.queue, first.uuid) == (SEND, ["ann"], {}, "mail", body["uuid"])
    assert [str(entry).replace(f"{__name__}.", "") for entry in tasks] == [
        "send('ann') queue=mail timeout=5",
        "send(to='bob') queue=slow timeout=5 delay=60",
        "count(1, 2)",
        "count(1)",
        "count(2)",
    ]


def test_it_is_as_the_service_reads_it() -> None:
    with published() as tasks:
        count.delay((1, 2), {3: None})
    assert tasks[0].args == [[1, 2], {"3": None}]
    tasks.assert_published(count, args=[(1, 2), {3: None}])


def test_what_cannot_be_published_is_refused_as_ever() -> None:
    with published() as tasks, pytest.raises(TypeError, match="date"):
        count.delay(datetime.date(2026, 5, 1))
    assert not tasks


def test_a_queue_that_only_the_settings_name_is_noted() -> None:
    config.setup({"version": 2, "brokers": {"pg_notify": {"config": {"dbname": "none"}, "channels": ["only"]}}})
    with published() as tasks:
        assert count.delay()[1] == "only"
    tasks.assert_published(count, queue="only")


def test_settings_that_could_not_publish_are_complained_of() -> None:
    config.setup({"version": 2, "brokers": {"memory": {}, "noop": {}}})
    with published(), pytest.raises(RuntimeError, match=r"publish\.default_broker"):
        count.delay()


def test_a_setup_within_the_block_does_not_open_the_way_out() -> None:
    with published() as tasks:
        config.setup({"version": 2, "brokers": {"dispatcher.testing.brokers.error_only": {}}})
        count.delay()
    assert len(tasks) == 1
    with pytest.raises(RuntimeError, match="must not publish"):
        count.delay()


def test_the_inner_block_has_what_is_published_in_it() -> None:
    with published() as outer:
        with published() as inner:
            count.delay(1)
        count.delay(2)
    assert [entry.args for entry in (*inner, *outer)] == [[1], [2]]


def test_other_threads_are_heard() -> None:
    with published() as tasks:
        thread = threading.Thread(target=count.delay)
        thread.start()
        thread.join()
    tasks.assert_published(count, times=1)


def test_what_was_asked_for_is_found() -> None:
    with published() as tasks:
        send.delay("ann")
        send.apply_async(["bob"], {"copies": 2}, delay=60)
        count.delay(1.5, "x")
    assert [entry.args for entry in tasks.assert_published(send)] == [["ann"], ["bob"]]
    tasks.assert_published(SEND, times=2)
    tasks.assert_published(send, args=["ann"], kwargs={}, times=1)
    tasks.assert_published(send, kwargs={"copies": ANY}, delay=60, timeout=5)
    tasks.assert_published(count, args=[pytest.approx(1.5), ANY])
    tasks.assert_published(times=3)
    tasks.assert_not_published(send, args=["eve"])
    tasks.assert_not_published("app.other")
    assert [entry.args for entry in tasks.matching(queue="mail", delay=60)] == [["bob"]]


def test_nothing_was_published() -> None:
    with published() as tasks:
        pass
    assert complaint(tasks, send, args=["ann"], queue="mail") == [
        "send with args=['ann'], queue='mail' was not published; nothing was"
    ]
    tasks.assert_not_published()


def test_a_near_miss_is_shown_with_what_it_misses_by() -> None:
    with published() as tasks:
        count.delay()
        send.delay("bob")
        send.apply_async(["ann"], {"copies": 3}, queue="slow")
    assert complaint(tasks, send, args=["ann"], kwargs={"copies": 2}, queue="slow", delay=60) == [
        "send('ann', copies=2) queue='slow' delay=60 was not published; near it came:",
        "  send('ann', copies=3) queue=slow timeout=5",
        "    kwargs['copies'] is 3, not 2",
        "    delay is missing",
        "  send('bob') queue=mail timeout=5",
        "    args[0] is 'bob', not 'ann'",
        "    kwargs['copies'] is missing",
        "    queue is 'mail', not 'slow'",
        "    delay is missing",
        "  and 1 of other tasks",
    ]
    assert complaint(tasks, send, args=[])[2] == "    args are ['bob'], not []"
    assert complaint(tasks, send, args=["ann"], kwargs={}, queue="slow")[2] == "    kwargs['copies'] is 3, not expected"


def test_a_name_that_is_nearly_right_is_recognised() -> None:
    with published() as tasks:
        send.delay("ann")
    assert complaint(tasks, f"{__name__}.sent") == [
        "sent was not published (was send meant?); what was:",
        "  send('ann') queue=mail timeout=5",
    ]


def test_too_many_too_few_and_not_at_all() -> None:
    with published() as tasks:
        send.delay("ann")
        send.delay("ann")
        send.delay("bob")
    assert complaint(tasks, send, args=["ann"], times=1)[0] == "send with args=['ann'] was published twice, not once:"
    assert complaint(tasks, send, args=["ann"], times=3) == [
        "send with args=['ann'] was published twice, not 3 times:",
        *["  send('ann') queue=mail timeout=5"] * 2,
        "near it came:",
        "  send('bob') queue=mail timeout=5",
        "    args[0] is 'bob', not 'ann'",
    ]
    with pytest.raises(AssertionError, match=r"send with args=\['bob'\] was published:\n.*send\('bob'\)"):
        tasks.assert_not_published(send, args=["bob"])
    assert complaint(tasks, count, times=2)[0] == "count was not published (expected twice); what was:"


def test_long_lists_and_values_are_cut() -> None:
    with published() as tasks:
        for number in range(20):
            count.delay(number, "x" * 1000)
    lines = complaint(tasks, count, args=[99])
    assert lines[-1] == "  and 12 more"
    assert max(map(len, lines)) < 600


def test_it_can_be_emptied() -> None:
    with published() as tasks:
        count.delay()
        tasks.clear()
        assert not tasks
        assert tasks.run_all() == []


def test_what_was_published_can_be_run_later() -> None:
    with published() as tasks:
        chain.delay(2)
        assert chained == []
        assert [run.task.args for run in tasks.run_all()] == [[2], [1], [0]]
        assert tasks.run_all() == []
    assert chained == [2, 1, 0]
    assert [run.outcome for run in tasks.runs] == ["success"] * 3
    chained.clear()


chained: list[int] = []


@task()
def chain(left: int) -> None:
    chained.append(left)
    if left:
        chain.delay(left - 1)

"""A cancel that the worker did not notice is said again, and no more than is needed."""

from __future__ import annotations

import sys
from collections.abc import Callable

from conftest import CHECKOUT, Service, wait_until

WORKER = str(CHECKOUT / "tests" / "support" / "hard_of_hearing.py")
POOL = {"pool_kwargs": {"min_workers": 1, "max_workers": 1}, "shutdown_grace": 0}


def test_a_cancel_is_said_again_until_its_task_ends(make_service: Callable[..., Service]) -> None:
    service = make_service(service={**POOL, "cancel_grace": 20}, worker={"command": [sys.executable, WORKER]}).start()
    number = service.submit("nap", 60)
    wait_until(lambda: service.main()["pool"]["active_task_ct"] == 1, "the task")
    service.control("cancel", {"uuid": number})
    heard = service.wait_record("heard")
    assert heard["again"] == [False, True, True]
    assert heard["signals"] >= 2  # of those that come at once some are one
    wait_until(lambda: service.main()["pool"]["canceled_count"] == 1, "its end")
    ended = (service.control("ended", {"uuid": number}) or {})["ended-0"]
    assert ended["outcome"] == "cancelled" and ended["seconds"] < 10
    # The worker has no more to do with it: the same name may come again.
    service.submit("record", uuid=number)
    wait_until(lambda: len(service.control("ended", {"uuid": number}) or {}) == 2, "the next task")
    assert service.main()["pool"]["canceled_count"] == 1
    assert len(service.records("heard")) == 1


def test_a_worker_that_never_stops_talking_is_ended_in_time(make_service: Callable[..., Service]) -> None:
    quick = {"cancel_grace": 0.3, "terminate_grace": 0.3}
    service = make_service(service={**POOL, **quick}).start()
    service.submit("babble", timeout=0.3)
    first = service.wait_record("babbles")["pid"]
    service.submit("record")
    assert service.wait_record("record")["pid"] != first
    ends = [line for line in service.log_lines() if "SIGKILL" in line["message"]]
    assert ends

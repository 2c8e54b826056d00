"""The test that the first description of the project names: nothing submitted, nothing run; one submitted, one run."""

from __future__ import annotations

from conftest import Service, wait_until
from dispatcher.config import temporary_settings
from dispatcher.factories import get_control_from_settings
from dispatcher.publish import submit_many, submit_task


def test_with_no_task_submitted_it_records_that_none_was_run(service: Service) -> None:
    assert service.main()["pool"]["finished_count"] == 0
    assert service.stop() == 0


def test_with_a_task_submitted_it_records_that_one_was_run(service: Service) -> None:
    from work import record

    with temporary_settings(service.config):
        body, channel = record.delay("hello", name="world")
    assert channel == service.channel
    assert service.wait_record("record")["args"] == ["hello"]
    wait_until(lambda: service.main()["pool"]["finished_count"] == 1, "finished task")
    assert service.main()["pool"]["canceled_count"] == 0
    assert body["task"] == "work.record"
    assert service.stop() == 0


def test_apply_async_and_classes_with_run_work_as_delay_does(service: Service) -> None:
    from work import Job, record

    with temporary_settings(service.config):
        record.apply_async(args=[], kwargs={})
        Job.delay(3)
        submit_task(Job, args=[4])
    service.wait_record("record")
    service.wait_record("job", 2)
    assert sorted(record["number"] for record in service.records("job")) == [3, 4]


def test_many_are_submitted_in_one_call_and_run_in_order(service: Service) -> None:
    from work import record

    with temporary_settings(service.config):
        bodies, _ = submit_many(record, [[number] for number in range(500)])
    assert len({body["uuid"] for body in bodies}) == 500
    service.wait_record("record", 500)
    assert [record["args"][0] for record in service.records("record")] == list(range(500))


def test_control_requests_from_python_are_answered(service: Service) -> None:
    with temporary_settings(service.config):
        control = get_control_from_settings()
        assert [list(reply) for reply in control.control_with_reply("alive", timeout=10)] == [["node_id"]]
        (reply,) = control.control_with_reply("workers", timeout=10)
        assert reply["worker-0"]["worker_id"] == 0
        assert control.control_with_reply("alive", expected_replies=2, timeout=0.5) != []

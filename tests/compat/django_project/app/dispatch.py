"""The configuration of dispatcherd, made in code."""

from __future__ import annotations

from typing import Any

from django.conf import settings

from app.db import get_pg_notify_params


def get_queue() -> str:
    """The channel of this node."""
    return str(settings.NODE)


def get_config(for_service: bool = False) -> dict[str, Any]:
    """For publishers, or for the service."""
    config: dict[str, Any] = {
        "version": 2,
        "service": {
            "pool_kwargs": {"min_workers": 1, "max_workers": 2, "scaledown_reserve": 1},
            "main_kwargs": {"node_id": settings.NODE},
            "process_manager_cls": "ForkServerManager",
            "process_manager_kwargs": {"preload_modules": ["app.prefork"]},
            # In the wrong place, as some projects have them.
            "min_workers": 7,
            "max_workers": 9,
        },
        "brokers": {
            "pg_notify": {
                "config": get_pg_notify_params(),
                "sync_connection_factory": "app.db.psycopg_connection_from_django",
                "default_publish_channel": settings.NODE,
            }
        },
        "publish": {"default_control_broker": "pg_notify", "default_broker": "pg_notify"},
        "worker": {"worker_cls": "app.worker.ProjectWorker"},
    }
    if settings.CONTROL_SOCKET:
        # As AWX has it: tasks over Postgres, control over a socket of the machine.
        config["brokers"]["socket"] = {"socket_path": settings.CONTROL_SOCKET}
        config["publish"]["default_control_broker"] = "socket"
    # Keys that dispatcherd ignores: what docs/moving-from-dispatcherd.md says for whoever wants all to be as it was.
    if settings.AS_IT_WAS:
        config["service"]["shutdown_grace"] = 0
        config["worker"]["task_policy"] = "any"
    if for_service:
        config["producers"] = {
            "ScheduledProducer": {"task_schedule": {"app.tasks.tick": {"schedule": 0.5}}},
            "OnStartProducer": {"task_list": {"app.tasks.started": {}}},
            "ControlProducer": {},
        }
        config["brokers"]["pg_notify"]["channels"] = ["broadcast_of_all", get_queue()]
    return config

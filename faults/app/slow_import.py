"""A module whose import takes longer than anybody waits."""

import time

from fault_tasks import mark

mark("I", "slow_import")
time.sleep(600)


def work(uuid: str) -> None:
    mark("S", uuid)

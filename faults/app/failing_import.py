"""A module that cannot be imported."""

from fault_tasks import mark

mark("I", "failing_import")
raise RuntimeError("failing_import, on purpose")

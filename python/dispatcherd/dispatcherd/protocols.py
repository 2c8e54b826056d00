"""Types for annotations, under the names that dispatcherd has for them.

Describes only. Where it stands: imported by applications that annotate with it.
"""

from dispatcher.brokers.base import Broker
from dispatcher.processors.params import ProcessorParams
from dispatcher.utils import RunnableClass
from dispatcher.worker.task import TaskWorker
from dispatcherd.service.main import DispatcherMain

__all__ = ["Broker", "DispatcherMain", "ProcessorParams", "RunnableClass", "TaskWorker"]

from dispatcher.worker.task import *
from dispatcherd._worker_task import *

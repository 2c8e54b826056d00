"""The process that runs tasks. Applications import :mod:`dispatcher.worker.task` and ``.exceptions`` at most."""

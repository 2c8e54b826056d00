"""The process that runs tasks. Applications import `dispatcher.worker.task` and
`dispatcher.worker.exceptions` at most."""

"""What a task may raise, or have raised in it, to speak with its worker."""


class DispatcherException(Exception):
    """The root of both."""


class DispatcherExit(DispatcherException):
    """Raised by a task, or by a signal handler that a task installed: the worker leaves after this task."""


class DispatcherCancel(DispatcherException):
    """Raised in a task that is cancelled or out of time. Catch it to clean up, then let it go on."""

"""What applications import of dispatcherd's service. The service itself is the native program.

Runs nothing. Where it stands: beside the aliased modules; `dispatcher.service` is something else.
"""

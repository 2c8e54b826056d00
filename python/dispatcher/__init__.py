"""Runs the background tasks of an application on Postgres.

    from dispatcher.publish import task      # mark a function, then call its .delay()
    from dispatcher.config import setup      # say how to reach the database
    from dispatcher import run_service       # run the tasks

Imports nothing until it is used. Where it stands: the name of the package.
"""

__all__ = ["run_service"]


def run_service() -> None:
    """Runs the service with the settings of `dispatcher.config.setup` in place of this process, and does not return.

    While other threads run, the service is a child of this process, and the call returns when it has ended well.
    """
    from dispatcher.factories import from_settings

    from_settings().run()

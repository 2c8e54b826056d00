"""Configures dispatcherd in every process of the project, `migrate` and `shell` among them."""

from django.apps import AppConfig


class App(AppConfig):
    name = "app"

    def ready(self) -> None:
        from app.dispatch import get_config
        from dispatcherd.config import setup

        setup(get_config())

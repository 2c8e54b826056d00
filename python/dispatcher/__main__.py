"""`python -m dispatcher …` is the command `dispatcher …`."""

from __future__ import annotations

from dispatcher._binary import dispatcher

if __name__ == "__main__":
    dispatcher()

"""Rows that are in the catalogue and are not run here, each with its reason.

Where it stands: registered in catalogue.py, so that no row of the table is missing without a word.
"""

from catalogue import CATALOGUE, MESSAGES, POSTGRES, SERVICE

DURABLE = "durable mode, which this version does not have"
listed = CATALOGUE.listed

listed(33, "the binary is replaced while it runs", SERVICE, DURABLE)
listed(46, "a long transaction holds back the horizon", POSTGRES, DURABLE)
listed(48, "a lock is held on the table of tasks", POSTGRES, DURABLE)
listed(49, "deadlocks and serialization failures in a claim", POSTGRES, DURABLE)
listed(50, "the disk of Postgres is full", POSTGRES, DURABLE)
listed(57, "a task kills its worker each time", MESSAGES, DURABLE + "; here a task is never tried again")
listed(
    60, "gaps, folds and leaps of the wall clock", MESSAGES, "unit tests of the timetable: cargo nextest run timetable"
)

"""`python -m dispatcher`: the native program with the same arguments.

Does nothing itself. Where it stands: beside the installed command.
"""

from dispatcher._binary import dispatcher

dispatcher()

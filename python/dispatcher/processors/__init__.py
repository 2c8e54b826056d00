"""Options of a task that a stage of the service obeys.

Nothing is done with them here: each writes its keys into the message. Where it stands: given to `@task` and to
`submit_task` as `processor_options`.
"""

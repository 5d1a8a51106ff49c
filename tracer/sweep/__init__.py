"""Many designs at once: every combination of params and sizes checked, planned and costed.

Rows are numbered; a task is a run of them, its result a table whose columns are the same for all tasks. Nothing here
prints.
"""

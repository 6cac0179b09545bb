"""Chat logs of other programs, read for the diary in a process of its own. They are hostile."""

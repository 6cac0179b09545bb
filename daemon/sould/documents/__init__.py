"""Documents, read into statements for the diary in a process of its own. They are hostile."""

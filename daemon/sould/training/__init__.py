"""Training a native body from text, in a process of its own (``sould train``)."""

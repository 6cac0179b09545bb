"""The engine process: the only one that imports torch; one thread runs the body."""

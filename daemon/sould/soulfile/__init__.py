"""Souls on disk: the ``.soul`` file, written whole, and hostile until it is checked.

No torch anywhere. ``header``, and what it imports, needs no numpy either, so that the
supervisor can list souls and check their seals; ``file`` holds the weights. FORMAT.md is the
format in words.
"""

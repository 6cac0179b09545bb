"""Souls on disk: the ``.soul`` file, written whole, and hostile until it is checked; its folder.

No torch anywhere. ``home`` (a soul's folder: generations, undo), ``journal`` and ``header``, and
what they import, need no numpy either, so that the supervisor can list souls, check their seals
and go back; ``record`` holds the weights, ``opening`` puts generation and journal together.
FORMAT.md is the format in words.
"""

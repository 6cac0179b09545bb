"""The process that plugins run in: loaded and called one by one, each within its time.

``messages`` and ``mark`` are shared with the supervisor; nothing else here is imported by it.
"""

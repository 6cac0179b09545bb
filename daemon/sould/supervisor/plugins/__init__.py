"""Plugins as the supervisor sees them: found by their metadata, run in a process of their own,
asked with a time limit, and disabled when they fail again and again. None is imported here.
"""

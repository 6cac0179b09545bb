"""The ``soul`` command: chat and control."""

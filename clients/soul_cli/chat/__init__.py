"""The chat: one conversation, at a terminal or through a pipe."""

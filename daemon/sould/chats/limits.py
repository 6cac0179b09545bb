"""What a chat log may be at most, so that none takes the machine with it."""

from __future__ import annotations

MAX_READ_BYTES = 2 * 1024**3  # of text, unpacked
MAX_MEMBERS = 200_000  # files in a zip, pictures included
MAX_RATIO = 200  # of a zip's member, unpacked to packed; JSON of chats has 3 to 20
MAX_CONVERSATION_BYTES = 64 * 1024**2  # one conversation of an export, as JSON
MAX_LINE_BYTES = 16 * 1024**2  # pictures may lie in a line
MAX_DEPTH = 64  # lists and objects inside each other
MAX_MESSAGES = 200_000
MAX_MESSAGE_CHARS = 400_000
MAX_MEMORY_BYTES = 3 * 1024**3  # of the process that reads
FIRST_YEAR, LAST_YEAR = 1990, 2199  # of a time that is believed

"""What a soul file may be at most; FORMAT.md lists these, and a test holds the two together."""

from __future__ import annotations

MAX_FILE_BYTES = 64 * 1024 * 1024
MAX_HEADER_BYTES = 4 * 1024 * 1024
MAX_TENSORS = 16_384
MAX_LAYERS = 1_024
MAX_WIDTH = 1_048_576  # d_model and d_ff
MAX_RANK = 64
MAX_NORM = 1e4  # of A, B and B·A; the engine's own caps, a share of the body's, are far below
MAX_LEVEL = 2**63 - 1
MAX_NAME_CHARS = 64
MAX_NAME_BYTES = 192  # so that names made of this one still fit a file system's 255
MAX_LABEL_CHARS = 256  # names of bodies and families
MAX_TAUGHT_CHARS = 3 * 1024 * 1024
MAX_TAUGHT_RECORDS = 400_000
MAX_JSON_CHARS = 64 * 1024  # config and scores, each
MAX_JSON_DEPTH = 8
MAX_JSON_ITEMS = 4_096
MAX_JSON_KEY_CHARS = 128
MAX_JOURNAL_BYTES = 64 * 1024 * 1024  # beyond, the next entry replaces those before it
MAX_ENTRY_BYTES = 1024 * 1024 * 1024

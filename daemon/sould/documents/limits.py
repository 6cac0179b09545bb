"""What documents may be at most, so that none takes the machine with it."""

from __future__ import annotations

MAX_FILES = 2000  # of a folder, all kinds together
MAX_FOLDER_DEPTH = 16
MAX_TEXT_BYTES = 16 * 1024**2
MAX_PDF_BYTES = 64 * 1024**2
MAX_READ_BYTES = 256 * 1024**2  # of all files together
MAX_PAGES = 2000  # of a PDF
MAX_PAGE_CHARS = 200_000
MAX_STATEMENTS = 20_000  # fed at once
MAX_NAME_CHARS = 200
MAX_HEADING_CHARS = 120
MAX_MEMORY_BYTES = 2 * 1024**3  # of the process that reads
MAX_CPU_S = 600  # … and of its work

LEAST_CHARS, MOST_CHARS = 10, 240  # of a statement
LEAST_CHARS_JA, MOST_CHARS_JA = 8, 120

"""Bodies on disk: found, described, fetched, placed. Never imports torch."""

"""Model files read as hostile input: headers only, every number checked. No torch here."""

"""What a soul may be called: a word that is also a safe file name on every system."""

from __future__ import annotations

import unicodedata

from sould.soulfile.limits import MAX_NAME_BYTES, MAX_NAME_CHARS

_DEVICES = {"con", "prn", "aux", "nul"} | {f"{d}{n}" for d in ("com", "lpt") for n in range(1, 10)}


def name_fault(name: str) -> str:
    """Return why ``name`` cannot name a soul, "" if it can."""
    if not name:
        return "is empty"
    if len(name) > MAX_NAME_CHARS:
        return f"has {len(name)} characters, the limit is {MAX_NAME_CHARS}"
    wrong = [c for c in name if c not in "._-" and unicodedata.category(c)[0] not in "LMN"]
    if wrong:
        return f"has {wrong[0]!a}: letters of any script, digits, '.', '_' and '-' only"
    if len(name.encode()) > MAX_NAME_BYTES:
        return f"has {len(name.encode())} bytes, the limit is {MAX_NAME_BYTES}"
    if name[0] in ".-" or name[-1] == ".":
        return "begins with '.' or '-', or ends with '.'"
    if not unicodedata.is_normalized("NFC", name):
        return "is not in Unicode normal form C"
    if name.split(".")[0].lower() in _DEVICES:
        return "is a device on Windows"
    return ""

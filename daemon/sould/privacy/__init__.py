"""Recognise what must never be learned. No torch, no imports beyond the standard library."""

from sould.privacy.find import all_detectors, find_secrets
from sould.privacy.secret import Secret, SecretKind

__all__ = ["Secret", "SecretKind", "all_detectors", "find_secrets"]

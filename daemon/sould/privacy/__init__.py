"""Recognise what must never be learned. No torch, no imports beyond the standard library."""

from sould.privacy.find import DETECTORS, find_secrets
from sould.privacy.secret import Secret, SecretKind

__all__ = ["DETECTORS", "Secret", "SecretKind", "find_secrets"]

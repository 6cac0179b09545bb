"""``python -m sould``."""

from __future__ import annotations

import sys

from sould.main import main

sys.exit(main())

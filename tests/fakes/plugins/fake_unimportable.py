"""Cannot be imported."""

raise RuntimeError("no, thank you")

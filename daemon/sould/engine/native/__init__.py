"""Native bodies: ternary weights, and layers whose state learns while they read."""

"""What a body learned: low-rank weights beside its own, applied, trained and held in bounds."""

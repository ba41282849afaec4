"""The plan for large scale: the cost of each piece is measured here, and a training of many workers is simulated from it."""

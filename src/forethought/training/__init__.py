"""Learning: one loop for world model, predictor, critic and Mode-1; checkpoints that resume bit for bit."""

"""Training: one loop for the phases world model, predictor, critic, upper levels and policy; checkpoints resume bit for bit."""

"""`drives`: a world with hazards and food, lived in with all drives, with the reward alone, and with one drive alone."""

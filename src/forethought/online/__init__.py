"""Learning by acting: the agent lives in a world, records what happens, and learns from it as it goes."""

"""Any Gymnasium environment by its id: making, spaces, observations, actions."""

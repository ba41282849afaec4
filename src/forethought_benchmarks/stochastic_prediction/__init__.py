"""`futures`: prediction in stochastic environments, compared with known true branches."""

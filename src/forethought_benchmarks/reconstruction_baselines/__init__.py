"""`generative`: the JEPA against models that generate what they see, as baselines: same data, planner, costs and time."""

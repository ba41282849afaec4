"""`generative`: JEPA versus reconstruction-based baselines, with the same data, planner, costs and training time."""

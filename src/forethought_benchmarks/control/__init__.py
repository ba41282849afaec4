"""`control`: worlds with a reward of their own, from nothing; Forethought beside SAC, PPO and DQN of Stable-Baselines3."""

"""The reliability campaign: faults, damage and hostile input against the public functions, with every attempt counted."""

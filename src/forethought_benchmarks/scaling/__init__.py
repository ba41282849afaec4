"""Executors: units per second for each number of workers, and injected faults."""

"""Benchmarks: frozen tasks, floors and ceilings, intervals, and result files that the documents' tables are made from."""

"""Farama-Foundation/Gymnasium#74: seeds and counts that NumPy drew (int64) where an int is expected."""
import numpy as np
from _case import SCRATCH, SENSES, SHORT, Walk, ft, register, told, verdict

name, seed = register(Walk), np.random.default_rng(0).integers(1000)
outcomes = {"collect(seed=np.int64)": told(ft.collect, name, out=SCRATCH / "a", episodes=20, workers=0, options=SENSES, progress=False, seed=seed)}
options = SENSES | {"max_steps": np.int64(50)}
outcomes["collect(options={'max_steps': np.int64})"] = told(ft.collect, name, out=SCRATCH / "b", episodes=20, workers=0, options=options, progress=False)
store = ft.collect(name, out=SCRATCH / "c", episodes=20, workers=0, options=SENSES, progress=False)
outcomes["train(seed=np.int64)"] = told(ft.train, store, out=SCRATCH / "r", config=SHORT, seed=seed)
outcomes["train(config={..: np.int64})"] = told(ft.train, store, out=SCRATCH / "q", config=SHORT | {"training.batch": np.int64(32)})
bad = {call: what for call, what in outcomes.items() if what[0] != "value"}
verdict(not bad, bad or "all taken for the integers that they are")

"""gaoyuezhou/dino_wm#23: planning runs out of memory."""
from _case import SCRATCH, SENSES, SHORT, Walk, ft, names, register, told, verdict

store = ft.collect(register(Walk), out=SCRATCH / "s", episodes=20, workers=0, options=SENSES, progress=False)
many = SHORT | {"planner.search.num_samples": 2_000_000_000}


def whole():
    ft.train(store, out=SCRATCH / "r", config=many)
    return ft.evaluate(SCRATCH / "r", tasks=1)


kind, what = told(whole)
trained = (SCRATCH / "r" / "log.jsonl").exists()
# Right: one sentence that names the number of samples (or tasks side by side), best before anything is learned.
verdict(kind == "sentence" and names(what, "num_samples", "memory"), f"{kind}, {'after the world model was trained' if trained else 'before training'}: {what}")

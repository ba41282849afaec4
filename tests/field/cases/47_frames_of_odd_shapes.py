"""danijar/dreamerv3#85, shunsukesaito/PIFu#57: recorded frames that are wide, odd, grey or large."""
import numpy as np
from _case import SCRATCH, SHORT, ft, own_store, told, verdict

from forethought.types import StreamSpec


def seer(height, width, channels):
    def see(places, episode):
        frames = np.full((len(places), height, width, channels), 90, np.uint8)
        for frame, (x, y) in zip(frames, (places % 1 * (width - 8, height - 8)).astype(int), strict=True):
            frame[y : y + 8, x : x + 8] = 240
        return {"pixels": frames}

    return see


def whole(shape):
    name = "x".join(map(str, shape))
    store = own_store(SCRATCH / f"s{name}", [StreamSpec("pixels", shape, "uint8")], seer(*shape), episodes=8, blocks=6)
    agent = ft.train(store, out=SCRATCH / f"r{name}", config=SHORT | {"training.batch": 4})
    seen = {"pixels": store.read(0).observation["pixels"][0]}
    agent.reset(ft.Task.reach(seen), seed=0)
    return agent.act(seen).shape


outcomes = {shape: told(whole, shape) for shape in ((90, 160, 3), (33, 47, 3), (64, 64, 1), (240, 320, 3), (16, 200, 3), (8, 8, 3), (6, 6, 3))}
bad = {shape: what for shape, what in outcomes.items() if what[0] == "crash"}
verdict(not bad, bad or outcomes)

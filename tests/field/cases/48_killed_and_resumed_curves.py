"""tensorflow/tensorboard#3732: training is killed past its last checkpoint and resumed: the curves must not run twice."""
import signal
import subprocess
import sys
import time

from _case import SCRATCH, SENSES, SHORT, Walk, ft, register, verdict
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

STEPS = 1200
store = ft.collect(register(Walk), out=SCRATCH / "s", episodes=20, workers=0, options=SENSES, progress=False)
config = SHORT | {"training.world_model_steps": STEPS, "training.checkpoint_every": 400, "model.encoder.hidden": 16, "model.predictor.hidden": 16}
script = f"import sys; sys.path.insert(0, {sys.path[0]!r})\nimport forethought as ft\nft.train({str(SCRATCH / 's')!r}, out={str(SCRATCH / 'r')!r}, config={config!r})"
child = subprocess.Popen([sys.executable, "-c", script], stderr=subprocess.DEVNULL)
log = SCRATCH / "r" / "log.jsonl"
while child.poll() is None and not (log.exists() and '"step": 700' in log.read_text()):
    time.sleep(0.01)
child.send_signal(signal.SIGKILL)
child.wait()
first = log.read_text().count("\n")
ft.train(store, out=SCRATCH / "r", resume=True)
events = EventAccumulator(str(SCRATCH / "r" / "tensorboard")).Reload()
steps = [event.step for event in events.Scalars("world model/loss")]
twice = sorted({step for step in steps if steps.count(step) > 1})
verdict(not twice, f"killed after {first} records; in TensorBoard the loss is there twice at steps {twice}" if twice else f"{len(steps)} points, each once")

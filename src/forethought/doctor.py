"""What this machine has, what it lacks, and how to get it: the findings behind `forethought doctor`."""

from __future__ import annotations

import importlib.metadata
import importlib.util
import os
import platform
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from forethought import __version__

PACKAGES = (
    *("torch", "numpy", "gymnasium", "safetensors", "pydantic", "tyro", "rich"),
    *("matplotlib", "imageio-ffmpeg", "tensorboard", "jinja2", "pillow"),
)
EXTRAS = {"worlds": ("gym-pusht", "ogbench", "mujoco", "highway-env"), "dev": ("pytest", "ruff", "mypy")}
LEAST_MEMORY_GIB = 2.0
LEAST_DISK_GIB = 1.0
SIDE = 512


@dataclass(frozen=True)
class Finding:
    """One thing that was looked at.

    Fields:
        what: its name.
        state: `ok`; `absent`: an optional part that is not there; `broken`: the main job cannot run like this.
        found: what was found, in words, with units.
        fix: how to get it or mend it ("" where there is nothing to do).
    """

    what: str
    state: Literal["ok", "absent", "broken"]
    found: str
    fix: str = ""


def examine() -> list[Finding]:
    """Look at everything; takes a few seconds."""
    return [*versions(), *machine(), speed(), video(), *folders(), *extras()]


def version_of(package: str) -> str | None:
    """Installed version of a distribution, None where it is not installed."""
    try:
        return importlib.metadata.version(package)
    except importlib.metadata.PackageNotFoundError:
        return None


def versions() -> Iterator[Finding]:
    """Our own version, Python's, and those of what the main job stands on."""
    yield Finding("forethought", "ok", f"{__version__}, Python {platform.python_version()} on {platform.platform()}")
    for package in PACKAGES:
        version = version_of(package)
        if version is None:
            yield Finding(package, "broken", "not installed", "install it with: pip install -e . (in the clone)")
        else:
            yield Finding(package, "ok", version)


def machine() -> Iterator[Finding]:
    """Cores, memory, and the device that torch would compute on."""
    import torch

    from forethought.device import default_device, device_name

    cores = len(os.sched_getaffinity(0)) if platform.system() == "Linux" else os.cpu_count() or 1
    yield Finding("cores", "ok", f"{cores} usable, torch uses {torch.get_num_threads()} threads")
    if platform.system() != "Windows":
        memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
        enough = memory >= LEAST_MEMORY_GIB
        fix = "" if enough else f"the demo wants {LEAST_MEMORY_GIB:.0f} GiB or more"
        yield Finding("memory", "ok" if enough else "broken", f"{memory:.1f} GiB", fix)
    device = default_device()
    name = f": {device_name(device)}" if device.type == "cuda" else ""
    yield Finding("device", "ok", f"{device}{name}")


def speed() -> Finding:
    """Float32 matrix products for half a second: the pace of everything else, and a test of the arithmetic."""
    import torch

    left, right = torch.eye(SIDE), torch.rand(SIDE, SIDE, generator=torch.Generator().manual_seed(0))
    product, count, begun = left @ right, 0, time.perf_counter()
    while time.perf_counter() - begun < 0.5:
        product, count = left @ right, count + 1
    pace = 2 * SIDE**3 * count / (time.perf_counter() - begun) / 1e9
    if not torch.equal(product, right):
        return Finding("arithmetic", "broken", "a product with the identity came out wrong", "reinstall torch")
    return Finding("arithmetic", "ok", f"{pace:.0f} GFLOP/s of float32 matrix products")


def video() -> Finding:
    """The ffmpeg that comes with imageio-ffmpeg, run once."""
    try:
        import imageio_ffmpeg

        told = subprocess.run(
            [imageio_ffmpeg.get_ffmpeg_exe(), "-version"], capture_output=True, text=True, timeout=30, check=True
        )
    except (ImportError, OSError, RuntimeError, subprocess.SubprocessError) as error:
        fix = "reinstall it with: pip install --force-reinstall imageio-ffmpeg"
        return Finding("video (ffmpeg)", "broken", " ".join(str(error).split()), fix)
    return Finding("video (ffmpeg)", "ok", " ".join(told.stdout.split()[:3]))


def folders() -> Iterator[Finding]:
    """Whether runs and temporary files can be written here, and how much room there is."""
    for what, folder in (("this folder", Path.cwd()), ("temporary files", Path(tempfile.gettempdir()))):
        try:
            with tempfile.NamedTemporaryFile(dir=folder) as file:
                file.write(b"forethought")
        except OSError as error:
            fix = "work from a folder that you may write to, or give --out"
            yield Finding(what, "broken", f"{folder} cannot be written: {error.strerror}", fix)
            continue
        room = shutil.disk_usage(folder).free / 2**30
        state: Literal["ok", "broken"] = "ok" if room >= LEAST_DISK_GIB else "broken"
        yield Finding(what, state, f"writable, {room:.0f} GiB free", "" if state == "ok" else "make room on the disk")


def extras() -> Iterator[Finding]:
    """Which optional parts are installed, and headless rendering where MuJoCo is."""
    for extra, packages in EXTRAS.items():
        found = {package: version_of(package) for package in packages}
        missing = [package for package, version in found.items() if version is None]
        if missing:
            how = f"pip install -e '.[{extra}]'"
            yield Finding(f"extra [{extra}]", "absent", f"without {', '.join(missing)}; get it with: {how}", how)
        else:
            yield Finding(f"extra [{extra}]", "ok", ", ".join(f"{name} {version}" for name, version in found.items()))
    if importlib.util.find_spec("mujoco") is not None:
        yield headless_rendering()


def headless_rendering() -> Finding:
    """One MuJoCo frame through EGL in a process of its own, so that a driver's crash is a finding and not our end."""
    script = (
        "import mujoco\n"
        'model = mujoco.MjModel.from_xml_string(\'<mujoco><worldbody><light pos="0 0 3"/>'
        '<geom size="1" rgba="1 0 0 1"/></worldbody></mujoco>\')\n'
        "data = mujoco.MjData(model)\n"
        "mujoco.mj_forward(model, data)\n"
        "renderer = mujoco.Renderer(model, 32, 32)\n"
        "renderer.update_scene(data)\n"
        "frame = renderer.render()\n"
        "renderer.close()\n"
        "raise SystemExit(0 if frame.std() > 1 else 'the frame is blank')\n"
    )
    fix = "install an EGL library (Debian: apt-get install libegl1), or leave out worlds that MuJoCo renders"
    surroundings = {**os.environ, "MUJOCO_GL": os.environ.get("MUJOCO_GL", "egl")}
    try:
        told = subprocess.run(
            [sys.executable, "-c", script], capture_output=True, text=True, timeout=60, env=surroundings, check=False
        )
    except subprocess.TimeoutExpired:
        return Finding("headless rendering", "absent", "no frame within a minute", fix)
    if told.returncode != 0:
        last = (told.stderr.strip().splitlines() or ["it crashed"])[-1]
        return Finding("headless rendering", "absent", f"{last}; {fix}", fix)
    return Finding("headless rendering", "ok", f"MuJoCo draws through {surroundings['MUJOCO_GL']}")

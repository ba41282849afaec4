"""Checks of this machine and its installed packages, with fixes: the findings of `forethought doctor`."""

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
from forethought.extras import EXTRAS as INSTALLABLE
from forethought.extras import lacking

PACKAGES = ("torch", "numpy", "safetensors", "pydantic", "jaxtyping", *INSTALLABLE["train"].packages.values())
"""What the base install brings, and what every command needs."""
EXTRAS = {
    "page": tuple(INSTALLABLE["page"].packages.values()),
    "cluster": tuple(INSTALLABLE["cluster"].packages.values()),
    "worlds": ("gym-pusht", "ogbench", "mujoco", "highway-env"),
    "dev": ("pytest", "ruff", "mypy"),
}
LEAST_MEMORY_GIB = 2.0
LEAST_DISK_GIB = 1.0
SIDE = 512


@dataclass(frozen=True)
class Finding:
    """The result of one check.

    Fields:
        what: name of the checked item.
        state: `ok`; `absent`: an optional part is missing; `broken`: training and evaluation cannot run.
        found: the result in words, with units.
        fix: how to install or repair it ("" if nothing is to be done).
    """

    what: str
    state: Literal["ok", "absent", "broken"]
    found: str
    fix: str = ""


def examine() -> list[Finding]:
    """Run all checks; takes a few seconds."""
    return [*versions(), *machine(), speed(), *([] if lacking("page") else [video()]), *folders(), *extras()]


def version_of(package: str) -> str | None:
    """Installed version of a distribution, None where it is not installed."""
    try:
        return importlib.metadata.version(package)
    except importlib.metadata.PackageNotFoundError:
        return None


def versions() -> Iterator[Finding]:
    """Versions of Forethought, Python and the required packages."""
    yield Finding("forethought", "ok", f"{__version__}, Python {platform.python_version()} on {platform.platform()}")
    for package in PACKAGES:
        version = version_of(package)
        if version is None:
            yield Finding(package, "broken", "not installed", "install it with: pip install -e '.[train]' (in the clone)")
        else:
            yield Finding(package, "ok", version)


def machine() -> Iterator[Finding]:
    """Cores, memory, and the default device."""
    import torch

    from forethought.device import default_device, device_name

    cores = len(os.sched_getaffinity(0)) if platform.system() == "Linux" else os.cpu_count() or 1
    yield Finding("cores", "ok", f"{cores} usable, torch uses {torch.get_num_threads()} threads")
    if platform.system() != "Windows":
        memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
        enough = memory >= LEAST_MEMORY_GIB
        fix = "" if enough else f"the demo needs {LEAST_MEMORY_GIB:.0f} GiB or more"
        yield Finding("memory", "ok" if enough else "broken", f"{memory:.1f} GiB", fix)
    device = default_device()
    name = f": {device_name(device)}" if device.type == "cuda" else ""
    yield Finding("device", "ok", f"{device}{name}")


def speed() -> Finding:
    """Throughput of float32 matrix products over half a second, and a test of the arithmetic."""
    import torch

    left, right = torch.eye(SIDE), torch.rand(SIDE, SIDE, generator=torch.Generator().manual_seed(0))
    product, count, start = left @ right, 0, time.perf_counter()
    while time.perf_counter() - start < 0.5:
        product, count = left @ right, count + 1
    gflops = 2 * SIDE**3 * count / (time.perf_counter() - start) / 1e9
    if not torch.equal(product, right):
        return Finding("arithmetic", "broken", "a product with the identity came out wrong", "reinstall torch")
    return Finding("arithmetic", "ok", f"{gflops:.0f} GFLOP/s of float32 matrix products")


def video() -> Finding:
    """Whether the ffmpeg of imageio-ffmpeg runs."""
    try:
        import imageio_ffmpeg

        process = subprocess.run(
            [imageio_ffmpeg.get_ffmpeg_exe(), "-version"], capture_output=True, text=True, timeout=30, check=True
        )
    except (ImportError, OSError, RuntimeError, subprocess.SubprocessError) as error:
        fix = "reinstall it with: pip install --force-reinstall imageio-ffmpeg"
        return Finding("video (ffmpeg)", "broken", " ".join(str(error).split()), fix)
    return Finding("video (ffmpeg)", "ok", " ".join(process.stdout.split()[:3]))


def folders() -> Iterator[Finding]:
    """Whether runs and temporary files can be written, and the free disk space."""
    for what, folder in (("this folder", Path.cwd()), ("temporary files", Path(tempfile.gettempdir()))):
        try:
            with tempfile.NamedTemporaryFile(dir=folder) as file:
                file.write(b"forethought")
        except OSError as error:
            fix = "work from a folder that you may write to, or give --out"
            yield Finding(what, "broken", f"{folder} cannot be written: {error.strerror}", fix)
            continue
        free = shutil.disk_usage(folder).free / 2**30
        state: Literal["ok", "broken"] = "ok" if free >= LEAST_DISK_GIB else "broken"
        yield Finding(what, state, f"writable, {free:.0f} GiB free", "" if state == "ok" else "free some disk space")


def extras() -> Iterator[Finding]:
    """Installed optional packages, and headless rendering if MuJoCo is installed."""
    for extra, packages in EXTRAS.items():
        versions_found = {package: version_of(package) for package in packages}
        missing = [package for package, version in versions_found.items() if version is None]
        if missing:
            command = f"pip install -e '.[{extra}]'"
            yield Finding(f"extra [{extra}]", "absent", f"without {', '.join(missing)}; get it with: {command}", command)
        else:
            yield Finding(f"extra [{extra}]", "ok", ", ".join(f"{name} {version}" for name, version in versions_found.items()))
    if importlib.util.find_spec("mujoco") is not None:
        yield headless_rendering()


def headless_rendering() -> Finding:
    """One MuJoCo frame through EGL in a subprocess, so that a crash of the driver does not end this process."""
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
    environment = {**os.environ, "MUJOCO_GL": os.environ.get("MUJOCO_GL", "egl")}
    try:
        process = subprocess.run(
            [sys.executable, "-c", script], capture_output=True, text=True, timeout=60, env=environment, check=False
        )
    except subprocess.TimeoutExpired:
        return Finding("headless rendering", "absent", "no frame within a minute", fix)
    if process.returncode != 0:
        last = (process.stderr.strip().splitlines() or ["it crashed"])[-1]
        return Finding("headless rendering", "absent", f"{last}; {fix}", fix)
    return Finding("headless rendering", "ok", f"MuJoCo renders through {environment['MUJOCO_GL']}")

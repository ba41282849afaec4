"""Objects as bytes, between a driver and the workers that it has started; nothing of it reaches a file."""

from __future__ import annotations

import copyreg
import io
from multiprocessing.reduction import ForkingPickler
from typing import Any


class _Packer(ForkingPickler):
    """Packs tensors by value. `multiprocessing` would share their memory, which another machine has not."""

    def __init__(self, file: io.BytesIO) -> None:
        super().__init__(file)
        self.dispatch_table = copyreg.dispatch_table.copy()


def pack(content: Any) -> bytes:
    """An object as bytes."""
    file = io.BytesIO()
    _Packer(file).dump(content)
    return file.getvalue()


def unpack(content: bytes) -> Any:
    """The object; its modules are imported."""
    return ForkingPickler.loads(content)

"""Text columns of a store: concatenated UTF-8 bytes, and for each row the span of its text."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from forethought.errors import CorruptFileError, ForethoughtError

SUFFIX = ".utf8"
"""Suffix of the file of bytes, before `.npy`."""


def pack(texts: Sequence[str]) -> tuple[NDArray[np.int64], NDArray[np.uint8]]:
    """Encode texts as spans and bytes; `unpack` is the inverse. Equal texts of successive rows are stored once.

    Returns:
        spans: int64 [rows, 2], first byte and end (exclusive). data: uint8 [bytes].

    Raises:
        ForethoughtError: a text holds half a surrogate pair, which UTF-8 cannot encode.
    """
    spans = np.zeros((len(texts), 2), np.int64)
    data = bytearray()
    for row, text in enumerate(texts):
        if row and text == texts[row - 1]:
            spans[row] = spans[row - 1]
            continue
        try:
            encoded = text.encode()
        except UnicodeEncodeError as error:
            raise ForethoughtError(f"the text {text!r} is not valid Unicode ({error.reason}); correct it.") from error
        spans[row] = len(data), len(data) + len(encoded)
        data += encoded
    # An empty file cannot be memory-mapped.
    return spans, np.frombuffer(bytes(data) or b"\0", np.uint8)


def unpack(spans: NDArray[np.int64], data: NDArray[np.uint8], where: str) -> NDArray[Any]:
    """Decode the texts of spans [..., 2], as strings [...].

    Raises:
        CorruptFileError: a span lies outside the data, or its bytes are no UTF-8; names the file `where`.
    """
    flat = spans.reshape(-1, 2)
    if ((flat < 0) | (flat > len(data))).any() or (flat[:, 0] > flat[:, 1]).any():
        raise CorruptFileError(f"{where}: a text lies outside the file; restore it or collect again.")
    try:
        texts = [bytes(data[first:last]).decode() for first, last in flat.tolist()]
    except UnicodeDecodeError as error:
        raise CorruptFileError(f"{where} holds no UTF-8 ({error.reason}); restore it or collect again.") from error
    return np.array(texts, np.str_).reshape(spans.shape[:-1])

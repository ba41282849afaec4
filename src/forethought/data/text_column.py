"""Text columns of a store: concatenated UTF-8 bytes, and for each row the span of its text."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from forethought.errors import CorruptFileError, ForethoughtError

SUFFIX = ".utf8"
"""Suffix of the file of bytes, before `.npy`."""


class TextPacker:
    """Encodes texts as spans and bytes, part by part; equal texts of successive rows are stored once."""

    def __init__(self) -> None:
        """No text yet."""
        self._size = 0
        self._last: tuple[str, int, int] | None = None

    def restore(self, span: NDArray[np.int64], data: bytes) -> None:
        """Continue a column that holds `data`, whose last row has the span [2]."""
        first, last = int(span[0]), int(span[1])
        self._size, self._last = len(data), (data[first:last].decode(), first, last)

    def pack(self, texts: Sequence[str]) -> tuple[NDArray[np.int64], bytes]:
        """The next texts: their spans, int64 [rows, 2], first byte and end (exclusive), and the bytes to append.

        Raises:
            ForethoughtError: a text holds half a surrogate pair, which UTF-8 cannot encode.
        """
        spans = np.zeros((len(texts), 2), np.int64)
        data, last = bytearray(), self._last
        for row, text in enumerate(texts):
            if last is None or text != last[0]:
                try:
                    encoded = text.encode()
                except UnicodeEncodeError as error:
                    raise ForethoughtError(f"the text {text!r} is not valid Unicode ({error.reason}); correct it.") from error
                first = self._size + len(data)
                data += encoded
                last = (text, first, first + len(encoded))
            spans[row] = last[1:]
        self._size, self._last = self._size + len(data), last
        return spans, bytes(data)


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

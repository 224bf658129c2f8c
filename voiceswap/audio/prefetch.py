"""Stages that work side by side: while one uses a block, the stage before it makes the next, in a thread of its own.

Networks, filters and codecs let go of Python's lock while they work; alone, each of them leaves a core waiting now and
then (docs/lab/speed.md). What comes out is the same, in the same order.

    without   |-encode 1-|-vocode 1-|-write 1-|-encode 2-|-vocode 2-|-write 2-|
    prefetch  |-encode 1-|-encode 2-|
                         |-vocode 1-|-vocode 2-|
                                    |-write 1-||-write 2-|
"""

from __future__ import annotations

from collections.abc import Generator, Iterator
from concurrent.futures import ThreadPoolExecutor
from threading import Event
from typing import TypeVar

T = TypeVar("T")


def prefetch(items: Iterator[T], left: Event | None = None) -> Generator[T, None, None]:
    """The same items, each made while the one before is used; no more than one waits.

    Args:
        items: Asked for more by a thread of its own, from the first item on; closed at the end, if it can be.
        left: Set at the end, before its thread is waited for: what makes an item may give up then.

    Yields:
        The items; what making one raises is raised in its place.

    Example:
        >>> list(prefetch(iter([1, 2, 3])))
        [1, 2, 3]
    """
    end = object()
    pool = ThreadPoolExecutor(1)
    try:
        coming = pool.submit(next, items, end)
        while (item := coming.result()) is not end:
            coming = pool.submit(next, items, end)
            yield item  # type: ignore[misc]
    finally:
        if left is not None:
            left.set()
        pool.shutdown()
        if isinstance(items, Generator):
            items.close()

"""Reading ahead of use: in a second thread where a core is free, else several at a time."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Iterator
from itertools import islice
from queue import SimpleQueue
from typing import TypeVar

Item = TypeVar("Item")
Result = TypeVar("Result")


def read_ahead(
    read: Callable[[Item], Result], items: Iterable[Item], depth: int
) -> Iterator[Result]:
    """`read(item)` of each item, in order, with at most `depth` results ready or under way.

    An exception of `read` is raised at its place in the order. The thread ends with the iteration,
    also with one that is given up. Decoders release the interpreter, so two cores work at once.
    """
    # SimpleQueue costs a few microseconds, where the futures of a pool cost fifty.
    wanted: SimpleQueue[Item | _End] = SimpleQueue()
    ready: SimpleQueue[Result | _Raised] = SimpleQueue()
    given_up = threading.Event()

    def work() -> None:
        while not isinstance(item := wanted.get(), _End):
            if given_up.is_set():
                continue
            try:
                ready.put(read(item))
            except BaseException as error:
                ready.put(_Raised(error))

    thread = threading.Thread(target=work, name="read-ahead", daemon=True)
    thread.start()
    under_way = 0
    try:
        for item in items:
            wanted.put(item)
            under_way += 1
            if under_way == depth:
                yield _result(ready.get())
                under_way -= 1
        for _ in range(under_way):
            yield _result(ready.get())
    finally:
        given_up.set()
        wanted.put(_End())
        thread.join()


def read_in_bursts(
    read: Callable[[Item], Result], items: Iterable[Item], length: int
) -> Iterator[Result]:
    """The same without a thread: 1, 2, 4 and in the end `length` results are made at a time.

    A decoder and a model that take turns throw each other out of the core's cache: in bursts they
    do it less often.
    """
    waiting, size = iter(items), 1
    while burst := list(islice(waiting, min(size, length))):
        size *= 2
        results: list[Result | _Raised] = []
        for item in burst:
            try:
                results.append(read(item))
            except Exception as error:
                results.append(_Raised(error))
                break
        for result in results:
            yield _result(result)


class _End:
    """Nothing more is wanted."""


class _Raised:
    """What `read` raised."""

    def __init__(self, error: BaseException) -> None:
        self.error = error


def _result(value: Result | _Raised) -> Result:
    if isinstance(value, _Raised):
        raise value.error
    return value

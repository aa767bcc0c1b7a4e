"""One thread that computes what was asked for last."""

from __future__ import annotations

import threading
import time
import traceback


class Stale(Exception):
    """A newer setting has come: this run is not wanted any more."""


class Worker:
    """Computes in the background; what is not wanted any more ends early.

    Attributes:
        version: counts what was asked for.
    """

    def __init__(self) -> None:
        self.version, self._closed = 0, False
        self._lock = threading.Lock()
        self._worker: threading.Thread | None = None

    def compute(self, version: int) -> None:
        """Draws the screen for the settings of now; calls ``check(version)`` now and then."""
        raise NotImplementedError

    def say(self, message: str) -> None:
        """A sentence for the reader."""
        raise NotImplementedError

    def check(self, version: int) -> None:
        """Ends a computation that is not wanted any more."""
        if version != self.version or self._closed:
            raise Stale

    def ask(self) -> None:
        """Computes in the background; what runs now is ended."""
        self.say("")  # now, not when it is done: what a control says meanwhile is to be read
        with self._lock:
            self.version += 1
            if self._worker is None and not self._closed:
                self._worker = threading.Thread(target=self._work, daemon=True)
                self._worker.start()

    def wait(self, seconds: float = 60) -> None:
        """Until nothing is being computed.

        Raises:
            TimeoutError: it takes longer.
        """
        end = time.monotonic() + seconds
        while (worker := self._worker) is not None:
            worker.join(max(0.0, end - time.monotonic()))
            if worker.is_alive():
                raise TimeoutError(f"still computing after {seconds:g} s")

    def now(self) -> None:
        """Computes at once, before anything is shown."""
        self.version += 1
        self._answer(self.version)

    def _work(self) -> None:
        done = -1
        while True:
            with self._lock:
                if done == self.version or self._closed:
                    self._worker = None
                    return
                done = self.version
            try:
                self._answer(done)
            except Exception as error:  # a defect: without a worker, no later setting would count
                self.say(f"{type(error).__name__}: {error}")
                traceback.print_exc()

    def _answer(self, version: int) -> None:
        try:
            self.compute(version)
        except Stale:
            pass
        except (ValueError, RuntimeError, ArithmeticError) as error:
            # A setting that the simulator refuses is said, not raised.
            if version == self.version:
                self.say(str(error))
        except AttributeError:  # closed between a check and a drawing
            if not self._closed:
                raise

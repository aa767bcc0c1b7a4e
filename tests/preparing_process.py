"""A preparation in a process of its own, which may be killed on the way."""

import multiprocessing
import os
import signal
import time
from functools import partial
from pathlib import Path

from vqlab.vision import building, image_folder, prepare


class Watched:
    """Originals that note where reading began, may be slow, and may kill the process.

    Args:
        originals: any. kill: at which block of those that are read. seconds: between two blocks.
        cache: where they are prepared.
    """

    def __init__(self, originals, kill=None, seconds=0.0, cache=""):
        self.originals, self.kill, self.seconds, self.starts = originals, kill, seconds, []
        self.cache = Path(cache)

    def __getattr__(self, name):
        return getattr(self.originals, name)

    def __len__(self):
        return len(self.originals)

    def blocks(self, start):
        self.starts.append(start)
        for i, block in enumerate(self.originals.blocks(start)):
            yield partial(self._read, i, block)

    def _read(self, i, block):
        time.sleep(self.seconds)
        if i == self.kill:
            while not self._begun():  # until something of what was read before is written
                time.sleep(0.01)
            os.kill(os.getpid(), signal.SIGKILL)
        return block()

    def _begun(self):
        return any(f.read_text().count("\n") > 1 for f in self.cache.rglob("progress.jsonl"))


def work(pictures, cache, said, place, kill, seconds):
    """Prepares, and leaves its checksum; ``place`` says where it is killed."""
    building.SECONDS = 0.0
    if place == "checksum":
        building.digest = lambda path: os.kill(os.getpid(), signal.SIGKILL)
    if place == "manifest":
        whole = building.write_whole
        building.write_whole = lambda path, text: (
            os.kill(os.getpid(), signal.SIGKILL) if "manifest" in path.name else whole(path, text)
        )
    originals = Watched(image_folder(pictures, 8), kill, seconds, cache)
    found = prepare(originals, cache, workers=1, progress=False)
    Path(said).write_text(f"{found.manifest['sha256']} {len(originals.starts)}")


def start(pictures, cache, said="said.txt", place="", kill=None, seconds=0.0):
    """The process, begun."""
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["vqlab.vision"])
    arguments = (pictures, cache, said, place, kill, seconds)
    process = context.Process(target=work, args=arguments)
    process.start()
    return process

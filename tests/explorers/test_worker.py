"""The worker alone: what is asked for last is computed, whatever became of what was before."""

import time

from vqlab.explorers.worker import Worker


class Once(Worker):
    """Fails where ``wrong`` says so, and keeps what it computed and said."""

    def __init__(self):
        super().__init__()
        self.wrong, self.done, self.said = None, [], []

    def compute(self, version):
        if self.wrong is not None:
            raise self.wrong
        self.done.append(version)

    def say(self, message):
        self.said.append(message)


def test_a_defect_is_said_and_the_next_setting_is_computed(capsys):
    worker = Once()
    worker.wrong = IndexError("no code 9")
    worker.ask()
    worker.wait(5)
    assert worker.said == ["", "IndexError: no code 9"] and worker.done == []
    assert "Traceback" in capsys.readouterr().err  # its place can be found
    worker.wrong = None
    worker.ask()
    worker.wait(5)
    assert worker.done == [2] and worker.said[-1] == ""


def test_what_comes_while_it_fails_is_computed_too():
    worker = Once()

    def compute(version):
        worker.done.append(version)
        if version == 1:
            worker.ask()
            raise KeyError("first")

    worker.compute = compute
    worker.ask()
    end = time.monotonic() + 5
    while worker.done != [1, 2]:
        assert time.monotonic() < end
        time.sleep(0.01)
    worker.wait(5)

"""The speed table: `make bench`, or for a part `python tests/bench.py [search|plane|step|toy|…]`.

Each line is a median over rounds in which other processes took less than 6 % of the processor (the
three quietest where there are too few); bars are ratios within a round, or MiB, µs or s. Nothing
fails: a bar that is missed is marked. One case at a time, each in a process of its own.
"""

from __future__ import annotations

import importlib.util
import json
import os
import platform
import subprocess
import sys
import time

PEERS = {"faiss": "faiss-cpu", "vector_quantize_pytorch": "vector-quantize-pytorch"}


def main() -> None:
    """Runs the cases whose names start with the arguments; all without any."""
    if sys.argv[1:2] == ["--case"]:
        return report(sys.argv[2])
    titles = json.loads(run(["--case", ""]))
    wanted = tuple(sys.argv[1:]) or ("",)
    names = [name for name in titles if name.startswith(wanted)]
    if not names:
        sys.exit(f"no case starts with {' or '.join(wanted)}; cases: {', '.join(titles)}")
    print(machine())
    for module, package in PEERS.items():
        if importlib.util.find_spec(module) is None:
            print(f"{package} is not installed: its lines are left out (the extra `bench` has it)")
    begin, missed, bars = time.perf_counter(), 0, 0
    for number, name in enumerate(names, 1):
        tell(f"bench {number}/{len(names)}: {name}")
        if name.startswith("step") and importlib.util.find_spec("vector_quantize_pytorch") is None:
            continue
        try:
            lines = json.loads(run(["--case", name]))
        except subprocess.CalledProcessError as error:
            tell("")
            print(f"\n{titles[name]}\n  stopped: {error.stderr.strip().splitlines()[-1]}")
            continue
        tell("")
        print(f"\n{titles[name]}")
        disturbed = max((line.get("busy", 0) for line in lines), default=0)
        if disturbed > 0.06:
            print(f"  disturbed: others took {disturbed:.0%} of the processor meanwhile")
        for line in lines:
            print("  " + row(line))
        limits = [(value, most) for line in lines for _, value, most in line["bars"] if most < 1e9]
        bars += len(limits)
        missed += sum(not value <= most for value, most in limits)
    print(f"\n{bars - missed} of {bars} bars met, in {time.perf_counter() - begin:.0f} s")


def run(arguments: list[str]) -> str:
    """The standard output of this file, run in a process of its own."""
    command = [sys.executable, __file__, *arguments]
    done = subprocess.run(
        command,
        env={**os.environ, "PYTHONWARNINGS": "ignore"},
        capture_output=True,
        text=True,
        check=True,
    )
    return done.stdout.splitlines()[-1]


def report(name: str) -> None:
    """Prints a case's lines, or all cases' titles, as JSON."""
    from bench_cases import CASES

    if name:
        print(json.dumps(list(CASES[name][1]()), default=float))
    else:
        print(json.dumps({name: title for name, (title, _) in CASES.items()}))


def row(line: dict) -> str:
    """A line of the table."""
    seconds = line["seconds"]
    shown = f"{seconds:9.3f} s " if seconds >= 1 else f"{seconds * 1e3:9.3f} ms"
    cells = []
    for what, value, most in line["bars"]:
        unit = what in ("MiB", "µs", "s")
        number = f"{value:.0f}" if unit and value >= 20 else f"{value:.2f}"
        text = f"{number} {what}" if unit else f"{number} x {what}"
        if most < 1e9:
            text += f" (<= {most:g}) {'ok' if value <= most else 'MISSED'}"
        cells.append(text)
    return f"{line['name']:44} {shown}   {'   '.join(cells)}".rstrip()


def machine() -> str:
    """One line on the processor and the versions."""
    import torch

    from vqlab.quantizers.search.half import half_is_fast

    model = platform.processor() or platform.machine()
    try:
        with open("/proc/cpuinfo") as file:
            model = next(x.split(":")[1].strip() for x in file if x.startswith("model name"))
    except (OSError, StopIteration):
        pass
    half = "with" if half_is_fast() else "without"
    return (
        f"{model}, {torch.get_num_threads()} threads, {half} fast bf16 products; "
        f"torch {torch.__version__}, Python {platform.python_version()}"
    )


def tell(text: str) -> None:
    """The progress line, on the terminal alone."""
    if sys.stderr.isatty():
        print(f"\r\033[K{text}", end="", file=sys.stderr, flush=True)
    elif text:
        print(text, file=sys.stderr, flush=True)


if __name__ == "__main__":
    main()

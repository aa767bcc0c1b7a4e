"""Open JupyterLab on the first lesson. Run by `make lab`; takes JupyterLab's own arguments."""

import os
import re
import socket
import sys
from pathlib import Path

from lessons import ROOT

LESSON = Path("notebooks", "00_start_here.ipynb")


def asked_for(arguments: list[str], *names: str) -> str | None:
    """The value given for an option, as `--name value` or `--name=value`."""
    text = " ".join(arguments)
    found = re.findall(rf"(?:^|\s)--(?:{'|'.join(map(re.escape, names))})[= ](\S+)", text)
    return found[-1] if found else None


def check_port(port: str, address: str) -> None:
    """End with one line when the port cannot be had."""
    if not port.isdigit() or not 0 <= int(port) < 65536:
        sys.exit(f"vqlab: --port takes a number from 0 to 65535, not {port!r}")
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    with socket.socket(family, socket.SOCK_STREAM) as probe:
        # As the server itself does: a port whose last connection is only waiting to close is free.
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((address, int(port)))
        except PermissionError:
            sys.exit(f"vqlab: port {port} needs administrator rights; take one above 1023")
        except OSError:
            sys.exit(f"vqlab: port {port} is in use; name a free one (--port 8891), or none")


def main() -> None:
    arguments = sys.argv[1:]
    os.chdir(ROOT)
    if not LESSON.exists():
        sys.exit(f"vqlab: {LESSON} is missing from this copy")
    port = asked_for(arguments, "port", "ServerApp.port")
    if port is not None:
        address = asked_for(arguments, "ip", "ServerApp.ip") or "127.0.0.1"
        check_port(port, {"localhost": "127.0.0.1", "*": ""}.get(address, address))
        # A port that was asked for is meant: JupyterLab would silently take the next one.
        arguments.append("--ServerApp.port_retries=0")
    if getattr(os, "geteuid", lambda: 1)() == 0 and "--allow-root" not in arguments:
        arguments.append("--allow-root")
    # Served from the repository's root, so that the library's files can be opened beside a lesson.
    program = [sys.executable, "-m", "jupyterlab", f"--ServerApp.root_dir={ROOT}",
               f"--LabApp.default_url=/lab/tree/{LESSON.as_posix()}",
               "--Application.log_level=WARN", *arguments]
    print("vqlab: JupyterLab starts on the first lesson; Ctrl-C here ends it", flush=True)
    os.execv(program[0], program)


if __name__ == "__main__":
    main()

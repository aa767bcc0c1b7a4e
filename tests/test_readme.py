"""The README tells the truth: examples run, tables are current, links lead somewhere."""

import re

import pytest
from lessons import ROOT
from readme import README, filled

TEXT = README.read_text()


def test_the_examples_run_from_top_to_bottom(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    scope = {"__name__": "readme"}
    blocks = list(re.finditer(r"^```python\n(.*?)^```$", TEXT, re.S | re.M))
    assert len(blocks) >= 3
    for block in blocks:
        line = TEXT[:block.start()].count("\n") + 1
        code = compile("\n" * line + block.group(1), "README.md", "exec")
        exec(code, scope)


def test_the_tables_are_current():
    assert filled(TEXT) == TEXT, "run: make readme"


def test_the_picture_shows_what_is_said_under_it():
    from picture import runs

    stayed, came = re.search(r'alt="[^"]*: (\d+) of [^"]* all (\d+) of', TEXT).groups()
    ema, nsvq = (int((run.counts[-1] > 0).sum()) for run in runs().values())
    assert (16 - ema, nsvq) == (int(stayed), int(came))


def test_every_command_of_make_exists():
    targets = re.findall(r"^([a-z]+):", (ROOT / "Makefile").read_text(), re.M)
    assert set(re.findall(r"\bmake ([a-z]+)\b(?=[`\s])", "\n".join(
        re.findall(r"`[^`]+`|^```sh\n.*?^```$", TEXT, re.S | re.M)))) <= set(targets)


@pytest.mark.parametrize("folder", [".", "data"])
def test_links_lead_somewhere(folder):
    prose = (ROOT / folder / "README.md").read_text()
    links = re.findall(r"\]\(([^)\s]+)\)", prose) + re.findall(r'<img [^>]*src="([^"]+)"', prose)
    local = [link.split("#")[0] for link in links if "://" not in link and link[0] != "#"]
    assert [link for link in local if not (ROOT / folder / link).exists()] == []

"""Whether all that the built pages link to and load is there, and nothing needs a network."""

from collections.abc import Iterator
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote, urlsplit


class Page(HTMLParser):
    """What a page offers to link to, what it links to, and what it loads."""

    def __init__(self, content: str) -> None:
        super().__init__()
        self.anchors: set[str] = set()
        self.links: list[str] = []
        self.loads: list[str] = []
        self.feed(content)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        has = {key: value or "" for key, value in attrs}
        self.anchors |= {has[key] for key in ("id", "name") if has.get(key)}
        if tag == "a" and "href" in has:
            self.links.append(has["href"])
        if tag in ("script", "img", "iframe", "source") and has.get("src"):
            self.loads.append(has["src"])
        if tag == "link" and has.get("rel") in ("stylesheet", "preload", "icon"):
            self.loads.append(has.get("href", ""))


def local(link: str) -> bool:
    return not urlsplit(link).scheme and not link.startswith("//")


def faults(folder: Path) -> Iterator[str]:
    """What is wrong, a line each, in all pages of a folder."""
    found = {path: Page(path.read_text()) for path in sorted(folder.rglob("*.html"))
             if "_static" not in path.parts}
    for path, page in found.items():
        here = path.relative_to(folder)
        for load in page.loads:
            if not local(load) and not load.startswith("data:"):
                yield f"{here} loads {load} from a network"
        for link in filter(local, page.links + page.loads):
            address = urlsplit(link)
            target = (path.parent / unquote(address.path)).resolve() if address.path else path
            if not target.is_file():
                yield f"{here} links to {link}, which is not there"
            elif address.fragment and target in found and (
                    unquote(address.fragment) not in found[target].anchors):
                yield f"{here} links to {link}: the page has no such place"

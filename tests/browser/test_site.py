"""The site: built without a kernel from what is stored, complete, and quiet on the network."""

import json
import re
import shutil

import nbformat
import pytest
from lessons import FOLDER, ROOT
from links import faults
from readme import badges
from staging import PACKAGES, contents, pages, relinked, stage

LESSON = "08_coupling"      # the smallest page with figures
EXERCISE = "03_moving_average"
PLOTLY = "application/vnd.plotly.v1+json"
README = f"""# A front page

See [the lesson](notebooks/{LESSON}.ipynb), [below](#below), the [licence](LICENSE).

<img src="notebooks/collapse.png" alt="a picture">

## Below

$$x^2$$
"""


@pytest.fixture(scope="module")
def small(tmp_path_factory):
    """A repository of one lesson and one exercise."""
    root = tmp_path_factory.mktemp("small")
    (root / "notebooks/exercises").mkdir(parents=True)
    (root / "README.md").write_text(README)
    shutil.copy(ROOT / "LICENSE", root)
    lesson = nbformat.read(FOLDER / f"{LESSON}.ipynb", as_version=4)
    for cell in lesson.cells:      # the other lessons are not there
        if cell.cell_type == "markdown":
            cell.source = re.sub(r"\[([^]]*)\]\(\d\d_\w+\.ipynb\)", r"\1", cell.source)
    nbformat.write(lesson, root / f"notebooks/{LESSON}.ipynb")
    shutil.copy(FOLDER / "collapse.png", root / "notebooks")
    shutil.copy(FOLDER / f"exercises/{EXERCISE}.ipynb", root / "notebooks/exercises")
    return root


@pytest.fixture(scope="module")
def site(small, tmp_path_factory):
    for module in ("myst_nb", "sphinx_book_theme", "sphinx-mathjax-offline", "nbgrader"):
        pytest.importorskip(module, reason="the extras site and course are not installed")
    from publish import build

    folder = tmp_path_factory.mktemp("built")
    assert build(folder / "site", folder / "source", small, api=False) == []
    return folder / "site"


def test_it_is_whole(site):
    listed = {p.relative_to(site).as_posix() for p in site.rglob("*.html")}
    assert {"index.html", "search.html", f"notebooks/{LESSON}.html",
            "notebooks/exercises/index.html", f"notebooks/exercises/{EXERCISE}.html"} <= listed
    assert (site / f"notebooks/{LESSON}.ipynb").exists()
    assert "coupling" in (site / "searchindex.js").read_text()


def test_figures_are_those_of_the_notebook(site, small):
    page = (site / f"notebooks/{LESSON}.html").read_text()
    shown = [json.loads(x) for x in re.findall(
        r'<figure class="moving".*?<script type="application/json">(.*?)</script>', page)]
    cells = nbformat.read(small / f"notebooks/{LESSON}.ipynb", as_version=4).cells
    stored = [o["data"][PLOTLY] for c in cells for o in c.get("outputs", [])
              if PLOTLY in o.get("data", {})]
    assert len(shown) >= 3
    assert [(x["data"], x["layout"]) for x in shown] == [(x["data"], x["layout"]) for x in stored]
    pictures = re.findall(r'<figure class="moving"[^>]*><img src="([^"]+)"', page)
    assert all((site / "notebooks" / p).stat().st_size > 1000 for p in pictures)


def test_exercises_come_without_solutions(site, small):
    source = (small / f"notebooks/exercises/{EXERCISE}.ipynb").read_text()
    page = (site / f"notebooks/exercises/{EXERCISE}.html").read_text()
    assert "zeros_like" in source and "BEGIN SOLUTION" in source
    assert "zeros_like" not in page and "SOLUTION" not in page and "all checks passed" not in page
    assert "NotImplementedError" in page


def test_the_real_one_has_every_page_and_every_link_leads_somewhere(tmp_path):
    pytest.importorskip("nbgrader", reason="the extra `course` is not installed")
    names = stage(tmp_path / "source", api=False)     # raises where a link leads nowhere
    stems = {p.stem for p in FOLDER.glob("[0-9][0-9]_*.ipynb")}
    assert {f"notebooks/{s}" for s in stems} <= set(names)
    front = (tmp_path / "source/index.md").read_text()
    assert front.startswith((ROOT / "README.md").read_text()[:500])
    assert all(f"<{name}>" in front for name in names if re.match(r"notebooks/\d\d_", name))
    assert all(f"api/{module}>" in contents(names, api=True) for module in PACKAGES)


def test_a_link_to_nothing_is_refused(small, tmp_path):
    index = pages(small)["index"]
    with pytest.raises(FileNotFoundError, match="notebooks/99_none.ipynb"):
        relinked("[x](notebooks/99_none.ipynb)", "index", index, small, tmp_path)
    kept = "[x](https://arxiv.org/abs/1711.00937) and [y](#below)"
    assert relinked(kept, "index", index, small, tmp_path) == kept
    assert relinked("[x](LICENSE)", "index", index, small, tmp_path) == "[x](LICENSE)"
    assert (tmp_path / "LICENSE").exists()


@pytest.mark.parametrize(("body", "said"), [
    ('<a href="b.html#there">', ""),
    ('<a href="https://arxiv.org/abs/1711.00937">', ""),
    ('<a href="c.html">', "not there"),
    ('<a href="b.html#gone">', "no such place"),
    ('<a href="#gone">', "no such place"),
    ('<img src="b.png">', "not there"),
    ('<script src="https://cdn.plot.ly/plotly.min.js"></script>', "from a network"),
    ('<link rel="stylesheet" href="//fonts.example/x.css">', "from a network"),
])
def test_the_check_of_links_notices(tmp_path, body, said):
    (tmp_path / "a.html").write_text(body)
    (tmp_path / "b.html").write_text('<h2 id="there">')
    found = list(faults(tmp_path))
    assert all(said in line for line in found) and len(found) == bool(said)


def test_bars_and_stars_of_docstrings_are_no_marks():
    pytest.importorskip("sphinx", reason="the extra `site` is not installed")
    from importlib.util import module_from_spec, spec_from_file_location

    spec = spec_from_file_location("conf", ROOT / ".make/site/conf.py")
    conf = module_from_spec(spec)
    spec.loader.exec_module(conf)
    lines = ["|z| of (K, **options), ``|a|``, :math:`|b|`", "",
             ".. math:: |c|", "", "    |d|", "|e|"]
    conf.plain_bars(None, "", "", None, None, lines)
    assert lines == [r"\|z\| of (K, \*\*options), ``|a|``, :math:`|b|`", "",
                     ".. math:: |c|", "", "    |d|", r"\|e\|"]


def test_badges_follow_the_address(monkeypatch):
    monkeypatch.setattr("readme.repository", lambda: "")
    assert badges() == ""
    monkeypatch.setattr("readme.repository", lambda: "https://git.example.org/a/b")
    assert badges() == ""      # Binder and Colab would need another form
    monkeypatch.setattr("readme.repository", lambda: "https://github.com/OWNER/NAME.git")
    assert "mybinder.org/v2/gh/OWNER/NAME/HEAD?urlpath=lab/tree/notebooks/00_" in badges()
    assert "colab.research.google.com/github/OWNER/NAME/blob/HEAD/notebooks/00_" in badges()


# --- in a browser --------------------------------------------------------------------------------

@pytest.mark.browser
@pytest.mark.parametrize("width", [1400, 390])
def test_a_lesson_moves_and_asks_no_network(site, page, width):
    asked, broken = [], []
    page.on("request", lambda request: asked.append(request.url))
    page.on("pageerror", lambda error: broken.append(str(error)))
    page.set_viewport_size({"width": width, "height": 900})
    page.goto((site / f"notebooks/{LESSON}.html").as_uri())
    page.wait_for_selector("mjx-container svg")
    first = page.locator("figure.moving").first
    first.scroll_into_view_if_needed()
    if width < 700:
        assert first.locator("img").bounding_box()["width"] <= width
        first.locator("button").click()
    first.locator(".main-svg").first.wait_for()
    assert first.locator("img").count() == 0
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    assert page.locator("mjx-merror").count() == 0
    if width < 700:
        page.locator(".primary-toggle:visible").click()
        page.locator("dialog[open]").get_by_text(re.compile("^08 ")).wait_for()
    assert broken == [] and [url for url in asked if not url.startswith(("file:", "data:"))] == []

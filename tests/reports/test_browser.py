"""The page in a real browser: nothing fetched, nothing complained about, nothing cut off."""

import csv
import html
import json
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pandas
import pytest

from reports import charts
from reports.drawing import Chart
from reports.render import render

NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable", "chrome")
CHROMIUM = next(filter(None, map(shutil.which, NAMES)), None)
FLAGS = [
    "--headless",
    "--no-sandbox",
    "--no-first-run",
    "--disable-gpu",
    "--disable-quic",
    "--disable-sync",
    "--disable-background-networking",
    "--disable-component-update",
    "--enable-logging=stderr",
    "--window-size=1700,1000",
    "--dump-dom",
]
WIDTHS = {"desktop": 1280, "phone": 390}
PROBE = """<!DOCTYPE html><meta charset="utf-8"><title>probe</title>%s<script>
onload = () => {
  const seen = {};
  for (const frame of document.querySelectorAll("iframe")) {
    const page = frame.contentDocument;
    seen[frame.id] = {
      hidden: page.documentElement.scrollWidth - page.documentElement.clientWidth,
      fetched: frame.contentWindow.performance.getEntriesByType("resource").length,
      text: page.body.innerText,
      charts: [...page.querySelectorAll("figure svg")].map((svg) => {
        const box = svg.getBoundingClientRect();
        return [box.width, box.height, svg.querySelectorAll("text").length];
      }),
    };
  }
  document.documentElement.textContent = JSON.stringify(seen);
};
</script>"""

pytestmark = pytest.mark.skipif(CHROMIUM is None, reason="no Chromium found")


def seen(page: str, folder: Path) -> tuple[dict[str, Any], list[str]]:
    """Measure a page, untouched in frames of two widths; return this and console messages."""
    return probed(PROBE, [page] * len(WIDTHS), folder)


def probed(script: str, pages: list[str], folder: Path) -> tuple[dict[str, Any], list[str]]:
    """What a script finds in frames with the pages; and console messages."""
    frames = [
        f'<iframe id="{name}" width="{width}" height="900" style="border:0" '
        f'srcdoc="{html.escape(page)}"></iframe>'
        for (name, width), page in zip(WIDTHS.items(), pages, strict=False)
    ]
    probe = folder / "probe.html"
    probe.write_text(script % "".join(frames), encoding="utf-8")
    done = subprocess.run(
        [str(CHROMIUM), *FLAGS, f"--user-data-dir={folder / 'profile'}", probe.as_uri()],
        capture_output=True,
        check=True,
        text=True,
        timeout=120,
    )
    found = html.unescape(done.stdout[done.stdout.index("{") : done.stdout.rindex("}") + 1])
    return json.loads(found), [line for line in done.stderr.splitlines() if "CONSOLE" in line]


def test_the_page_in_a_browser(
    tables: dict[str, pandas.DataFrame], run: dict[str, str | int | None], tmp_path: Path
) -> None:
    """Every chart has a size, a phone needs no sideways scrolling, and the console stays empty."""
    found, console = seen(render(tables, run), tmp_path)
    assert console == []
    for name in WIDTHS:
        assert found[name]["fetched"] == 0
        assert found[name]["hidden"] == 0
    boxes = found["desktop"]["charts"]
    assert len(boxes) == sum(isinstance(item, Chart) for item in vars(charts).values())
    assert all(width > 400 and height > 50 and texts for width, height, texts in boxes)


USE = """<!DOCTYPE html><meta charset="utf-8"><title>probe</title>%s<script>
onload = () => {
  const frame = document.querySelector("iframe");
  const [page, view] = [frame.contentDocument, frame.contentWindow];
  const seen = {};
  const losses = page.querySelector("#chart-losses_by_reason");
  losses.querySelector("details").open = true;
  const table = losses.querySelector("table");
  const column = (place) => [...table.tBodies[0].rows]
    .filter((row) => !row.hidden).map((row) => row.cells[place].innerText);
  const [reason, count] = table.querySelectorAll("th button");
  seen.asDrawn = column(1);
  count.focus();
  seen.focus = page.activeElement === count;
  count.click();
  seen.upwards = column(1);
  seen.ariaSort = count.parentElement.ariaSort;
  count.click();
  seen.downwards = column(1);
  reason.click();
  seen.byName = column(0);
  view.Blob = class { constructor(parts) { seen.csv = parts.join(""); } };
  view.URL.createObjectURL = () => "#";
  const filter = losses.querySelector("input");
  filter.value = "pric";
  filter.dispatchEvent(new view.Event("input"));
  seen.filtered = column(0);
  const [download] = [...losses.querySelectorAll("button")]
    .filter((button) => button.textContent === "Download CSV");
  download.click();
  document.documentElement.textContent = JSON.stringify(seen);
};
</script>"""


def test_tables_can_be_sorted_filtered_and_downloaded(
    tables: dict[str, pandas.DataFrame], run: dict[str, str | int | None], tmp_path: Path
) -> None:
    """By buttons, which a keyboard reaches; a text is no formula for a spreadsheet."""
    mart = tables["rep_losses_monthly"]
    formula = mart["lost_reason_label"].replace("Pricing Issues", '=1+"Pricing"')
    tables["rep_losses_monthly"] = mart.assign(lost_reason_label=formula)
    found, console = probed(USE, [render(tables, run)], tmp_path)
    assert console == []
    numbers = [int(text.replace(",", "")) for text in found["asDrawn"]]
    assert [int(text.replace(",", "")) for text in found["upwards"]] == sorted(numbers)
    assert [int(text.replace(",", "")) for text in found["downwards"]] == sorted(
        numbers, reverse=True
    )
    assert (found["ariaSort"], found["focus"]) == ("ascending", True)
    assert found["byName"] == sorted(found["byName"], key=str.casefold)
    assert found["filtered"] == ['=1+"Pricing"']
    header, row = found["csv"].removeprefix("\ufeff").split("\r\n")
    assert header == '"reason","losses","share of losses"'
    name, losses, share = next(csv.reader([row]))
    assert (name, int(losses)) == ('\'=1+"Pricing"', numbers[1])
    assert float(share) == pytest.approx(100 * numbers[1] / sum(numbers))


def test_the_probe_notices_what_must_not_be(tmp_path: Path) -> None:
    """A page that fetches, and is too wide, does not pass."""
    policy = "<meta http-equiv='Content-Security-Policy' content=\"img-src 'none'\">"
    page = f"{policy}<div style='width:900px'>x</div><img src='https://example.invalid/x.png'>"
    found, console = seen(page, tmp_path)
    assert len(console) == len(WIDTHS)
    assert found["phone"]["hidden"] > 500

"""What axe-core finds in reports, where there is a chromium to run it in."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
from html import unescape
from pathlib import Path

import pytest
from test_report_look import COMMANDS

from tests.command import Vmemu

CHROMIUM = shutil.which("chromium") or shutil.which("google-chrome")
AXE = Path(os.environ.get("VMEMU_AXE", "/nowhere"))
"""axe.min.js of the npm package axe-core."""

pytestmark = [
    pytest.mark.skipif(CHROMIUM is None, reason="chromium is not installed"),
    pytest.mark.skipif(not AXE.is_file(), reason="VMEMU_AXE does not name axe-core's axe.min.js"),
]
RUN = """
axe.run().then(found => {
  document.body.innerHTML = "<pre id='found'></pre>";
  document.getElementById("found").textContent = JSON.stringify(
    found.violations.map(v => [v.impact, v.id, v.nodes.map(n => n.target.join(" "))]));
});
"""


@pytest.mark.parametrize("width", [1280, 500])  # a window cannot be narrower
@pytest.mark.parametrize("command", COMMANDS)
def test_axe_finds_nothing(vmemu: Vmemu, tmp_path: Path, command: str, width: int) -> None:
    path = tmp_path / "report.html"
    vmemu(COMMANDS[command].format(path))
    scripts = f"<script>{AXE.read_text()}</script><script>{RUN}</script></body>"
    page = tmp_path / "examined.html"
    page.write_text(path.read_text().replace("</body>", scripts))
    assert CHROMIUM is not None
    options = ["--headless", "--no-sandbox", "--virtual-time-budget=60000", "--dump-dom"]
    done = subprocess.run(
        [CHROMIUM, *options, f"--window-size={width},900", page.as_uri()],
        capture_output=True,
        text=True,
        check=True,
    )
    text = re.search(r'<pre id="found">(.*?)</pre>', done.stdout, re.DOTALL)
    assert text, "axe gave no result"
    assert json.loads(unescape(text[1])) == []

"""In JupyterLab an explorer is live: a click arrives in the kernel, Python's answer in the page.

A notebook that was saved shows its stills, in Notebook 7 as well. It also draws the README's
picture of the imports, as code hosts do: by mermaid.
"""

import json
import os
import re
import shutil
import socket
import subprocess
import sys
import time
import urllib.request
from pathlib import Path
from urllib.parse import unquote

import nbformat
import pytest

pytest.importorskip("jupyterlab")

from cnnlib.book.widgets import VIEW

ROOT = Path(__file__).parents[3]
CHAPTER = ROOT / "notebooks" / "02_kernel_centre.ipynb"
README = (ROOT / "README.md").read_text(encoding="utf-8")
TOKEN = "explorers"
PATIENCE = 900  # seconds: ends a wait that would never end; how long one takes decides nothing
ENDING = 60  # seconds that a server gets to end by itself: no test depends on whether it does
FIND = """
from ipywidgets.widgets.widget import _instances
(explorer,) = [w for w in _instances.values() if type(w).__name__ == "ConvolutionExplorer"]
"""
# A cell that is run before the kernel is connected is never run.
READY = """() => {
  const kernel = window.jupyterapp?.shell.currentWidget?.sessionContext?.session?.kernel;
  return kernel?.connectionStatus === "connected" && kernel.status === "idle";
}"""


def first_explorer(path):
    """Write chapter 2 up to its first explorer, without outputs."""
    chapter = nbformat.read(CHAPTER, as_version=4)
    places = [m for m, cell in enumerate(chapter.cells) if "ConvolutionExplorer(" in cell.source]
    chapter.cells = chapter.cells[: places[0] + 1]
    for cell in chapter.cells:
        if cell.cell_type == "code":
            cell.outputs = []
    nbformat.write(chapter, path)


@pytest.fixture(scope="module")
def lab(chromium, tmp_path_factory):
    """A running JupyterLab: its address, and the folder of its connection files."""
    folder = tmp_path_factory.mktemp("lab")
    first_explorer(folder / "chapter.ipynb")
    shutil.copy(ROOT / "README.md", folder)
    (folder / "wrong.md").write_text("```mermaid\nflowchart BT\n    a --> --> b\n```\n")
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    own = {f"JUPYTER_{kind}_DIR": str(folder / kind) for kind in ("RUNTIME", "CONFIG", "DATA")}
    command = [
        sys.executable, "-m", "jupyterlab", "--no-browser", "--allow-root", f"--port={port}",
        "--ServerApp.port_retries=0", f"--IdentityProvider.token={TOKEN}",
        f"--ServerApp.root_dir={folder}", "--LabApp.expose_app_in_browser=True",
        "--JupyterNotebookApp.expose_app_in_browser=True",
        "--LabApp.check_for_updates_class=jupyterlab.NeverCheckForUpdate",
    ]  # fmt: skip
    with (folder / "lab.log").open("w") as log:
        server = subprocess.Popen(command, env=os.environ | own, stdout=log, stderr=log)
    try:
        address = f"http://127.0.0.1:{port}"
        answer(f"{address}/api/status", server)
        yield address, folder / "RUNTIME"
    finally:
        end(server)


def end(server):
    """Ask it to end, as then it ends its kernels. One that is starting may keep it from that.

    A server that is left behind would be the fault of the next test, so it is ended at last; a
    kernel ends by itself when its server is gone.
    """
    server.terminate()
    try:
        server.wait(ENDING)
    except subprocess.TimeoutExpired:
        server.kill()
        server.wait()


def answer(address, server=None):
    """What the server says; it may still be starting, unless its process has ended."""
    request = urllib.request.Request(address, headers={"Authorization": f"token {TOKEN}"})
    for _ in range(10 * PATIENCE):
        try:
            with urllib.request.urlopen(request, timeout=PATIENCE) as reply:
                return json.load(reply)
        except OSError:
            assert server is None or server.poll() is None, "JupyterLab ended: see lab.log"
            time.sleep(0.1)
    raise TimeoutError(f"JupyterLab did not answer at {address}")


def end_sessions(address):
    """End the kernels of the notebooks that were open."""
    for session in answer(f"{address}/api/sessions"):
        request = urllib.request.Request(
            f"{address}/api/sessions/{session['id']}",
            headers={"Authorization": f"token {TOKEN}"},
            method="DELETE",
        )
        urllib.request.urlopen(request, timeout=PATIENCE).close()


class Kernel:
    """The notebook's own kernel, asked beside the page."""

    def __init__(self, address, runtime):
        from jupyter_client import BlockingKernelClient

        (session,) = answer(f"{address}/api/sessions")
        file = runtime / f"kernel-{session['kernel']['id']}.json"
        self.client = BlockingKernelClient(connection_file=str(file))
        self.client.load_connection_file()
        self.client.start_channels()
        self.client.wait_for_ready(timeout=PATIENCE)

    def tell(self, code):
        """Run a line and give what it printed."""
        said = []
        self.client.execute_interactive(
            code,
            timeout=PATIENCE,
            store_history=False,
            output_hook=lambda m: said.append(m["content"]),
        )
        assert not any("ename" in content for content in said), said
        return "".join(content.get("text", "") for content in said)


@pytest.fixture
def visit(browser, lab):
    """Opens a page of the lab, which asks nothing of any other server."""
    address, _ = lab
    context = browser.new_context(viewport={"width": 1200, "height": 900})
    context.route(
        "**/*", lambda r: r.continue_() if r.request.url.startswith(address) else r.abort()
    )
    context.set_default_timeout(1000 * PATIENCE)

    def visit(path):
        page = context.new_page()
        page.goto(f"{address}/lab{path}?token={TOKEN}")
        return page

    yield visit
    context.close()


def test_a_click_arrives_in_the_kernel_and_its_answer_in_the_page(lab, visit):
    address, runtime = lab
    page = visit("/tree/chapter.ipynb")
    page.wait_for_function(READY)
    page.evaluate("() => { window.jupyterapp.commands.execute('notebook:run-all-cells'); }")
    explorer = page.locator(".cnn-explorer")
    explorer.wait_for()
    assert explorer.count() == 1
    kernel = Kernel(address, runtime)
    kernel.tell(FIND)
    kernel.tell("seen = []; explorer.observe(lambda change: seen.append(change['new']), 'center')")

    weights = explorer.locator(".cnn-grid", has_text="kernel w").locator('[role="gridcell"]')
    weights.last.click()
    stride = explorer.get_by_label("stride", exact=True)
    cells = page.locator(".jp-Cell").count()
    stride.fill("2")
    stride.press("Enter")  # JupyterLab has its own idea of Enter, and of m and x
    explorer.locator(".cnn-name", has_text="stride 2").wait_for()
    stride.fill("1")
    stride.press("Enter")
    weights.last.click()
    for key in ("m", "x", "c"):
        page.keyboard.press(key)
    assert page.locator(".jp-Cell").count() == cells
    explorer.locator(".cnn-cell.weight.centre").wait_for()
    for _ in range(10 * PATIENCE):
        if kernel.tell("print(len(seen))").strip() != "0":
            break
        time.sleep(0.1)
    last = json.loads(
        kernel.tell("print([n - 1 for n in __import__('numpy').shape(explorer.kernel)])")
    )
    assert json.loads(kernel.tell("print(explorer.center)")) == last
    assert json.loads(kernel.tell("print(seen[-1])")) == last

    kernel.tell("explorer.lens = 'delta'")
    explorer.locator(".cnn-title", has_text="what each input owes").wait_for()
    text = explorer.locator(".cnn-sum").text_content()
    value = kernel.tell("print(f'{explorer.explain().value:.6g}', end='')")
    assert text.startswith("Input (") and text.endswith(f"= {value}")
    kernel.client.stop_channels()


def opened(browser, address, application):
    """The notebook in a page that reaches this server alone."""
    context = browser.new_context(viewport={"width": 1200, "height": 900})
    context.route(
        "**/*", lambda r: r.continue_() if r.request.url.startswith(address) else r.abort()
    )
    page = context.new_page()
    page.set_default_timeout(1000 * PATIENCE)
    page.goto(f"{address}/{application}/chapter.ipynb?token={TOKEN}")
    return context, page


PLAYGROUND = """
import matplotlib.pyplot as plt
from cnnlib.book import playground
playground(lambda stride: plt.figure(figsize=(stride, 1)), "As wide as the stride.", stride=(1, 3))
"""
RAISING = """
from cnnlib.book import playground
playground(lambda stride: stride / 0, "Nothing.", stride=(1, 3))
"""


@pytest.mark.parametrize("playing", [False, True], ids=["explorer", "playground"])
@pytest.mark.parametrize("application", ["lab/tree", "notebooks"])
def test_a_saved_notebook_shows_its_stills_when_it_is_opened_again(
    browser, lab, application, playing
):
    address, runtime = lab
    notebook = runtime.parent / "chapter.ipynb"
    end_sessions(address)
    first_explorer(notebook)
    if playing:  # without any explorer
        chapter = nbformat.read(notebook, as_version=4)  # it names the kernel
        chapter.cells = [nbformat.v4.new_code_cell(code) for code in (RAISING, PLAYGROUND)]
        nbformat.write(chapter, notebook)
    context, page = opened(browser, address, application)
    page.wait_for_function(READY)
    page.evaluate("() => { window.jupyterapp.commands.execute('notebook:run-all-cells'); }")
    page.locator(".widget-slider" if playing else ".cnn-explorer").first.wait_for()
    for _ in range(PATIENCE):  # the picture may come after the slider
        page.evaluate("() => window.jupyterapp.commands.execute('docmanager:save')")
        saved = nbformat.read(notebook, as_version=4)
        outputs = [out for cell in saved.cells for out in cell.get("outputs", [])]
        stills = [out.data for out in outputs if "image/png" in out.get("data", {})]
        if stills:
            break
        time.sleep(1)
    told = [out.data for out in outputs if "text/html" in out.get("data", {})]
    assert len(told) == playing and not any(VIEW in data for data in told)
    assert stills and not any(VIEW in data for data in stills)
    assert all(data["text/plain"].count(":") for data in stills[-1:])  # its text as well
    assert page.locator(".widget-slider" if playing else ".cnn-explorer").count() >= 1  # still live
    context.close()
    end_sessions(address)
    context, page = opened(browser, address, application)
    still = page.locator(".jp-OutputArea img").last
    still.wait_for()
    still.scroll_into_view_if_needed()
    assert still.evaluate("(image) => image.naturalWidth") > 50
    assert page.get_by_text("ZeroDivisionError: division by zero").count() == playing
    assert page.get_by_text("Error displaying widget").count() == 0
    assert page.get_by_text("model not found").count() == 0
    page.wait_for_function(READY)  # a kernel that is starting would keep the server from ending
    context.close()
    end_sessions(address)
    first_explorer(notebook)


def test_a_server_that_does_not_end_is_ended(monkeypatch):
    deaf = "import signal; signal.signal(signal.SIGTERM, signal.SIG_IGN); print(1, flush=True)"
    command = [sys.executable, "-c", f"{deaf}; signal.pause()"]
    with subprocess.Popen(command, stdout=subprocess.PIPE) as server:
        assert server.stdout.readline() == b"1\n"
        monkeypatch.setitem(globals(), "ENDING", 0.1)
        end(server)
        assert server.returncode == -9


def test_the_picture_of_the_imports_is_drawn(visit):
    """Every room is a box, every arrow a line; what is no picture is told as an error."""
    page = visit("")
    page.wait_for_function("() => window.jupyterapp")
    preview = """async (path) => {
      await window.jupyterapp.restored;
      const how = { path, factory: "Markdown Preview" };
      await window.jupyterapp.commands.execute("docmanager:open", how);
    }"""
    page.evaluate(preview, "README.md")
    drawn = unquote(page.locator(".jp-RenderedMermaid img").get_attribute("src"))
    arrows = re.findall(r"^    ([\w.]+) --> ([\w.]+)$", README, re.MULTILINE)
    assert len(re.findall("<path[^>]*flowchart-link", drawn)) == len(arrows) > 20
    boxes = re.findall(r"nodeLabel[^>]*>\s*(?:<p>)?([\w.]+)", drawn)
    assert sorted(boxes) == sorted({room for arrow in arrows for room in arrow})
    page.evaluate(preview, "wrong.md")
    assert "Parse error" in page.locator(".jp-RenderedMermaid.jp-mod-warning").text_content()

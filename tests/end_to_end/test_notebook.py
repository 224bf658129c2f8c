"""The notebook in examples/: made from its script, without outputs, and run from its first cell to its last."""

import re
from pathlib import Path

import pytest

EXAMPLES = Path(__file__).parents[2] / "examples"
NOTEBOOK, SCRIPT = EXAMPLES / "voiceswap.ipynb", EXAMPLES / "voiceswap_notebook.py"
REASON = 'the notebook\'s packages are not installed: pip install "voiceswap[dev-all]"'


@pytest.fixture
def notebook():
    nbformat = pytest.importorskip("nbformat", reason=REASON)
    return nbformat.read(NOTEBOOK, as_version=4)


def test_it_is_made_from_its_script_and_has_no_outputs(notebook):
    jupytext = pytest.importorskip("jupytext", reason=REASON)
    made = jupytext.read(SCRIPT)
    assert [(cell.cell_type, cell.source) for cell in notebook.cells] == [
        (cell.cell_type, cell.source) for cell in made.cells
    ]
    assert not any(cell.get("outputs") or cell.get("execution_count") for cell in notebook.cells)


@pytest.mark.timeout(900)
def test_it_trains_draws_progress_and_plays_before_and_after(notebook, tmp_path, monkeypatch):
    nbclient = pytest.importorskip("nbclient", reason=REASON)
    manager = pytest.importorskip("jupyter_client", reason=REASON).KernelManager
    monkeypatch.setenv("VOICESWAP_VOICES", str(tmp_path / "voices"))
    monkeypatch.setenv("VOICESWAP_CACHE", str(tmp_path / "cache"))
    # What the tests run is installed already, and half a minute shows as much as a minute.
    notebook.cells = [cell for cell in notebook.cells if "install" not in cell.metadata.get("tags", ())]
    for cell in notebook.cells:
        cell.source = cell.source.replace("MINUTES = 1.0", "MINUTES = 0.3")
    # Through files, not through a port: no test asks for a connection.
    kernel = manager(kernel_name="python3", transport="ipc", ip=str(tmp_path / "kernel"))
    nbclient.NotebookClient(notebook, km=kernel, timeout=600, resources={"metadata": {"path": tmp_path}}).execute()

    outputs = [output for cell in notebook.cells for output in cell.get("outputs", ())]
    told = "".join(output.get("text", "") for output in outputs)
    assert re.search(r"speakerA: trained, best at step \d+", told), told
    assert "song.speakerA.wav: moved by" in told and "marked: yes" in told, told
    assert re.search(r"of speech to learn from", told), told
    players = [output for output in outputs if "<audio" in output.get("data", {}).get("text/html", "")]
    assert len(players) == 2
    assert any("widget" in kind for output in outputs for kind in output.get("data", {})) or "training:" in told

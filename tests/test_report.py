"""What was measured comes to its places in the READMEs, and the committed ones hold what lies beside the models."""

import json
import re
import shutil

import pytest

from training import report
from training.errors import PaperError
from training.papers import put, read_json
from training.report import figures, main, peers, poems

RESULTS = {
    cell: read_json(report.PRETRAINED / cell / "evaluation.json") | {"parameters": 1_500_000 * (number + 1)}
    for number, cell in enumerate(report.CELLS)
}
RUN = {
    "minutes": 20,
    "machine": {"processor": "a processor", "threads": 2},
    "systems": [
        {"name": "lstm", "parameters": 3_450_000, "epochs": 2.345, "loss": {"test": 4.31, "quatrains": 4.4}},
        {"name": "report", "parameters": 1_000_000, "epochs": 0.1, "loss": {"test": 6.2, "quatrains": 6.3}},
    ],
}


def test_the_table_of_the_cells():
    results = {cell: result | {"line_breaks": {"precision": 0.9, "recall": 0.95}} for cell, result in RESULTS.items()}
    results["gru"] = results["gru"] | {"line_breaks": {}, "quatrains": {}}
    english, chinese = (figures(results, language) for language in ("en", "zh"))
    assert "| parameters, millions | 1.50 | 3.00 | 4.50 |" in english
    assert "| marks foreseen: precision, recall | 90.0%, 95.0% | 90.0%, 95.0% | –, – |" in english
    assert "| 断句：准确率、召回率 | 90.0%, 95.0% | 90.0%, 95.0% | –, – |" in chinese
    assert f"{results['lstm']['test']['loss']:.3f}" in english


def test_the_table_of_the_peers_has_the_best_last():
    text = peers(RUN, "en")
    assert text.index("the report's own recipe") < text.index("| **our lstm** | 3.45 | 2.35 | 4.310 | 4.400 |")
    assert "20 minutes of training each (a processor, 2 threads)" in text and "**本项目 LSTM**" in peers(RUN, "zh")


def test_poems_stand_two_in_a_row():
    assert poems({"samples": ["一，\n二。", "三，\n四。", "五，\n六。"]}).splitlines()[2:] == [
        "| 一，<br>二。 | 三，<br>四。 |",
        "| 五，<br>六。 |",
    ]


def test_only_marked_places_change(tmp_path):
    text = "before\n<!-- peers: command -->\nold\n<!-- end -->\n<!-- poems: x -->\nkept\n<!-- end -->"
    assert put(text, "peers", "new", tmp_path) == text.replace("old", "new")
    with pytest.raises(PaperError, match="no place marked <!-- figures"):
        put(text, "figures", "new", tmp_path)


def test_the_command_writes_both_readmes_and_the_picture(tmp_path, monkeypatch, capsys):
    copies = {language: tmp_path / path.name for language, path in report.READMES.items()}
    for language, path in report.READMES.items():
        shutil.copy(path, copies[language])
    monkeypatch.setattr(report, "READMES", copies)
    monkeypatch.setattr(report, "ROOT", tmp_path)
    monkeypatch.setattr(report, "CURVES", tmp_path / "curves.png")
    (tmp_path / "peers.json").write_text(json.dumps(RUN))
    assert main(["--peers", str(tmp_path / "peers.json")]) == 0
    assert "**our lstm** | 3.45" in copies["en"].read_text(encoding="utf-8")
    assert (tmp_path / "curves.png").read_bytes().startswith(b"\x89PNG")
    assert main(["--peers", str(tmp_path / "none.json")]) == 2 and capsys.readouterr().err.count("\n") == 1


@pytest.mark.parametrize("language", report.READMES)
def test_the_committed_figures_are_those_beside_the_checkpoints(language):
    """After an evaluation: python -m training.report."""
    results = {cell: read_json(report.PRETRAINED / cell / "evaluation.json") for cell in report.CELLS}
    text = report.READMES[language].read_text(encoding="utf-8")
    found = re.search(r"<!-- figures: .*? -->\n(.*?)\n<!-- end -->", text, re.DOTALL)
    assert found[1] == figures(results, language)

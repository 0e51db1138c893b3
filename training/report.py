"""Writes what was measured into README.md and README.zh.md: ``python -m training.report [--peers FILE]``.

The figures come from the evaluation.json beside each shipped checkpoint (``python -m training.evaluate``), the peers'
from the peers.json of a run (``python -m benchmarks.peers``), the poems from the LSTM's evaluation, and the picture of
the three cells' loss curves, training/curves.png, from their training_log.json. Each goes to its marked place; a part
that was not measured stays as it is.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from tang_rnn.poet import CELLS, PRETRAINED

from .errors import ended
from .evaluate import figure
from .papers import put, read_json, table
from .publish import draw_curves

ROOT = Path(__file__).parents[1]
CURVES = ROOT / "training" / "curves.png"
READMES = {"en": ROOT / "README.md", "zh": ROOT / "README.zh.md"}
MISSING = "–"


def nats(value: float) -> str:
    return f"{value:.3f}"


def share(value: float | None) -> str:
    return MISSING if value is None else f"{100 * value:.1f}%"


# Names in English and Chinese, how to write a figure, and where it stands; several share a cell of the table.
ROWS = (
    ("test loss, nats a character", "测试损失（奈特每字）", nats, "test.loss"),
    ("… without marks and end", "……不计标点与结束符", nats, "test.loss_characters"),
    ("… told form, poet and title", "……给出体裁、诗人、题目", nats, "test_with_context.loss"),
    ("quatrains of another dynasty", "他朝绝句之损失", nats, "quatrains.loss"),
    ("marks foreseen: precision, recall", "断句：准确率、召回率", share, "line_breaks.precision line_breaks.recall"),
    ("poet named: of ten, of two", "辨认诗人：十中取一、二中取一", share, "naming.accuracy naming.pairs"),
    (
        "words of the frontier: titled 边塞, untitled",
        "边塞用字：有题、无题",
        share,
        "steering.边塞.told steering.边塞.plain",
    ),
    ("model alone: form kept", "仅凭模型：合体裁", share, "written_alone.form_kept"),
    ("free: tones, rhyme kept", "不守格律：合平仄、押韵", share, "written_free.tones_kept written_free.rhyme_kept"),
    (
        "regulated: form, tones, rhyme kept",
        "守格律：合体裁、平仄、押韵",
        share,
        "written_regulated.form_kept written_regulated.tones_kept written_regulated.rhyme_kept",
    ),
    (
        "free, regulated: distinct-2",
        "不守、守格律：distinct-2",
        nats,
        "written_free.distinct_2 written_regulated.distinct_2",
    ),
    (
        "free, regulated: lines of training poems",
        "不守、守格律：与训练诗全同之句",
        share,
        "written_free.lines_quoted written_regulated.lines_quoted",
    ),
)
# What readers notice, of poems under all rules; names of tang_rnn.verse.measures.
AS_READ = (
    ("stock words a poem", "每首套语", nats, "stock_words"),
    ("season, hour or weather contradicted", "时令天候相违", share, "contradictions"),
    ("odd doublings", "生造叠字", share, "odd_doublings"),
    ("a word in a tone it never has", "字音不合其词", share, "mistoned"),
    ("characters and words said again", "每首重字重词", nats, "repeats"),
    ("stock turns of phrase, their price", "每首套语之价", nats, "turns"),
    ("coherence, a thousandth", "前后呼应（千分之一）", lambda value: nats(1000 * value), "coherence"),
    ("parallelism of middle couplets", "中二联对仗", nats, "parallelism"),
    ("marks of an ending", "结句之迹", nats, "closing"),
)
SYSTEMS = {
    "report": ("the report's own recipe", "实验报告原法"),
    "book": ("pytorch-book's LSTM", "pytorch-book 的 LSTM"),
    "gpt2": ("GPT-2 of the lstm's size", "与 LSTM 同大的 GPT-2"),
}
SYSTEMS |= {cell: (f"**our {cell}**", f"**本项目 {cell.upper()}**") for cell in CELLS}


def figures(results: dict[str, dict], language: str) -> str:
    """The cells side by side."""
    zh = language == "zh"
    rows = [["", *(cell.upper() for cell in results)]]
    rows.append(
        ["参数（百万）" if zh else "parameters, millions", *(f"{r['parameters'] / 1e6:.2f}" for r in results.values())]
    )
    sizes = [(PRETRAINED / cell / "model.safetensors").stat().st_size / 2**20 for cell in results]
    rows.append(["权重（MiB）" if zh else "weights, MiB", *(f"{size:.1f}" for size in sizes)])
    for english, chinese, write, paths in ROWS:
        cells = [[figure(result, *path.split(".")) for path in paths.split()] for result in results.values()]
        if any(value is not None for values in cells for value in values):
            texts = [", ".join(MISSING if value is None else write(value) for value in values) for values in cells]
            rows.append([chinese if zh else english, *texts])
    one = next(iter(results.values()))
    written, real = one["written_free"]["poems"], one["real_test_poems"]
    tones, rhyme, lines = (share(real.get(key)) for key in ("tones_kept", "rhyme_kept", "lines_quoted"))
    variety = nats(real["distinct_2"])
    if zh:
        note = (
            f"`python -m training.evaluate` 所得：每种各写 {written} 首。以真实测试诗为尺：\n"
            f"合平仄 {tones}，押韵 {rhyme}，distinct-2 {variety}，{lines} 的句子也见于训练诗。"
        )
    else:
        note = (
            f"From `python -m training.evaluate`, {written} poems written of each kind. For scale, of the real test\n"
            f"poems {tones} keep the tones and {rhyme} the rhyme, their distinct-2 is {variety}, and {lines} of\n"
            "their lines stand in a training poem too."
        )
    return "\n\n".join(filter(None, [table(rows), note, as_read(results, language)]))


def as_read(results: dict[str, dict], language: str) -> str:
    """What readers notice in the regulated poems of the cells, beside the same of real ones; empty if unmeasured."""
    zh = language == "zh"
    rows = [["守格律之诗" if zh else "regulated poems", *(cell.upper() for cell in results), "真诗" if zh else "real"]]
    kinds = [result["written_regulated"] for result in results.values()]
    kinds.append(next(iter(results.values()))["real_test_poems"])
    for english, chinese, write, name in AS_READ:
        values = [kind.get(name) for kind in kinds]
        if any(value is not None for value in values):
            cells = [MISSING if value is None else write(value) for value in values]
            rows.append([chinese if zh else english, *cells])
    return table(rows) if len(rows) > 1 else ""


def peers(run: dict, language: str) -> str:
    """The systems of one run, the best last."""
    zh = language == "zh"
    systems = sorted(run["systems"], key=lambda system: -system["loss"]["test"])
    quatrains = all("quatrains" in system["loss"] for system in systems)
    head = ["", "参数（百万）", "轮", "测试损失"] if zh else ["", "parameters, millions", "epochs", "test loss"]
    if quatrains:
        head.append("他朝绝句" if zh else "quatrains of another dynasty")
    rows = [head]
    for system in systems:
        losses = [system["loss"]["test"], *([system["loss"]["quatrains"]] if quatrains else [])]
        name = SYSTEMS[system["name"]][zh]
        rows.append([name, f"{system['parameters'] / 1e6:.2f}", f"{system['epochs']:.2f}", *map(nats, losses)])
    minutes = f"{run['minutes']:g}"
    threads = run["machine"]["threads"]
    machine = f"{run['machine']['processor']}, {threads} thread{'s' if threads > 1 else ''}"
    command = f"`python -m benchmarks.peers --minutes {minutes} --threads {threads}`"
    if zh:
        note = f"{command}：各训练 {minutes} 分钟（{machine}）。"
    else:
        note = f"{command}: {minutes} minutes of training each ({machine})."
    return f"{table(rows)}\n\n{note}"


def poems(result: dict) -> str:
    """The twelve of the evaluation, two in a row."""
    cells = ["<br>".join(poem.split("\n")) for poem in result["samples"]]
    rows = ["| | |", "|---|---|"]
    rows += [f"| {' | '.join(cells[first : first + 2])} |" for first in range(0, len(cells), 2)]
    return "\n".join(rows)


def main(argv: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="training.report", description=__doc__.splitlines()[0])
    parser.add_argument(
        "--peers", type=Path, metavar="FILE", help="a run's peers.json, such as runs/peers/20m/peers.json"
    )
    options = parser.parse_args(argv)
    return ended("training.report", lambda: write(options.peers), also=(OSError,))


def write(peers_of: Path | None) -> None:
    """Fills both READMEs and draws the curves; `peers_of` is a run's peers.json."""
    results = {cell: read_json(PRETRAINED / cell / "evaluation.json") for cell in CELLS}
    logs = {cell: read_json(PRETRAINED / cell / "training_log.json") for cell in CELLS}
    run = read_json(peers_of) if peers_of else None
    for language, path in READMES.items():
        text = put(path.read_text(encoding="utf-8"), "figures", figures(results, language), path)
        if run:
            text = put(text, "peers", peers(run, language), path)
        text = put(text, "poems", poems(results["lstm"]), path)
        path.write_text(text, encoding="utf-8")
    draw_curves({cell.upper(): log.get("validation") for cell, log in logs.items()}, CURVES)
    print(f"{', '.join(path.name for path in READMES.values())} and {CURVES.relative_to(ROOT)} are written")


if __name__ == "__main__":
    sys.exit(main())

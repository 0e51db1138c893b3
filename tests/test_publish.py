"""Publishing: what is built for the Hub, and the round trip through a Hub on loopback with the real client."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys
import time
import urllib.request
from argparse import Namespace
from pathlib import Path

import hub_server
import pytest
import yaml
from conftest import POEMS, STRANGER, clean_environment
from huggingface_hub import ModelCard, metadata_load, parse_eval_result_entries
from packaging.requirements import Requirement

from benchmarks import free_port
from tang_rnn import TangRNNConfig, TangRNNForCausalLM
from training import publish
from training.export import export

ROOT = Path(__file__).parents[1]
EVALUATION = {
    "test": {"loss": 5.0123, "loss_characters": 5.5, "perplexity": 150.25, "loss_by_form": {"五绝": 4.9}},
    "written_free": {"form_kept": 0.9876},
    "written_from_one_text": {"form_kept": 0.9625},
    "steering": {"边塞": {"told": 0.08, "plain": 0.01, "real": 0.09, "characters": "胡马"}},
    "samples": ["春眠不觉晓，处处闻啼鸟。\n夜来风雨声，花落知多少。"],
}
LOG = {
    "train": [[50, 7.0], [100, 6.5]],
    "validation": [[100, 6.4]],
    "kept": "best checkpoint",
    "kept_validation_loss": 6.4,
    "parameters": 1234567,
    "epochs": 5.0,
    "pretrained_on": "song",
    "pretrained_epochs": 0.5,
}


@pytest.fixture(scope="module")
def measured(tokenizer, tmp_path_factory) -> Path:
    """A tiny checkpoint with the figures that training and evaluation leave beside it."""
    folder = tmp_path_factory.mktemp("measured") / "lstm"
    config = TangRNNConfig(vocab_size=len(tokenizer), embedding_size=24, hidden_size=32, initializer_range=1.0)
    export(TangRNNForCausalLM(config), tokenizer, folder)
    (folder / "evaluation.json").write_text(json.dumps(EVALUATION))
    (folder / "training_log.json").write_text(json.dumps(LOG))
    return folder


def dry_run(folder: Path, kind: str, repo_id: str, **options) -> Path:
    publish.publish(Namespace(kind=kind, repo_id=repo_id, dry_run=folder, dataset_id=None, **options))
    return folder


def files(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


# What is built


def test_a_model_card_holds_what_was_measured(measured, tmp_path):
    folder = dry_run(tmp_path / "out", "model", "someone/tang-lstm", checkpoint=measured)
    added = {"README.md", "LICENSE", "loss.png", "onnx/model.onnx", ".eval_results/test.yaml"}
    assert files(measured).keys() | added == files(folder).keys()
    assert (folder / "loss.png").read_bytes().startswith(b"\x89PNG")
    card = ModelCard.load(folder / "README.md")
    data = card.data
    assert (data.language, data.license, data.library_name) == ("zh", "mit", "transformers")
    assert (data.pipeline_tag, data.datasets) == ("text-generation", ["someone/quantangshi"])
    assert "lstm" in data.tags
    results = {result.metric_name: result.metric_value for result in data.eval_results}
    assert results == {"nats per character": 5.0123, "perplexity per character": 150.25}
    entries = parse_eval_result_entries(yaml.safe_load((folder / ".eval_results" / "test.yaml").read_text()))
    assert {entry.task_id: entry.value for entry in entries} == {"loss": 5.0123, "perplexity": 150.25}
    assert {entry.dataset_id for entry in entries} == {"someone/quantangshi"}
    assert data.widget[1]["messages"][0] == {"role": "system", "content": "五绝"}
    assert re.search(r"\| transformers \| 5\.\d+ or newer; written with 5\.\d+\.\d+ \|", card.text)
    assert "50,193 poems for training" in card.text
    assert "It read them 5 times." in card.text and "`song`, 0.5 times\n(" in card.text
    assert "| loss | 5.012 |" in card.text and "| loss, 五绝 | 4.900 |" in card.text
    assert "| loss when told form, poet and title | not measured |" in card.text
    assert "| lines and lengths are right | not measured | 98.8 % | not measured | not measured |" in card.text
    assert "in this way 96.2 % keep the form." in card.text and 'write("<五绝>春"' in card.text
    assert "| 边塞 | 8.0 % | 1.0 % | 9.0 % |" in card.text
    assert "> 春眠不觉晓，处处闻啼鸟。  \n> 夜来风雨声，花落知多少。" in card.text
    assert "1,234,567" in card.text and "(loss.png)" in card.text and "best checkpoint" in card.text
    assert "{{" not in card.text and "{%" not in card.text


def test_a_card_of_a_model_nobody_measured(checkpoint, cell, tmp_path):
    folder = dry_run(tmp_path / "out", "model", f"someone/tang-{cell}", checkpoint=checkpoint)
    card = ModelCard.load(folder / "README.md")
    assert card.data.eval_results is None and not (folder / "loss.png").exists()
    assert not (folder / ".eval_results").exists()
    assert "| perplexity | not measured |" in card.text and "loss.png" not in card.text
    assert "not measured for this one." in card.text


def test_a_card_says_of_another_corpus_only_what_is_known_of_it(checkpoint, cell, tmp_path):
    options = Namespace(kind="model", repo_id=f"me/{cell}", dry_run=tmp_path / "out", checkpoint=checkpoint)
    options.dataset_id = "me/odes"
    publish.publish(options)
    card = ModelCard.load(tmp_path / "out" / "README.md")
    assert "datasets/me/odes" in card.text and card.data.datasets == ["me/odes"]
    assert not any(word in card.text for word in ("of the Tang", "50,193", "the Song", "The poets are"))


TAUGHT = {
    "cell": "someone/tang-lstm",
    "cell_log": {"epochs": 12.0, "beside": "song", "beside_epochs": 3.0, "teachers": 2},
    "poems": 257,
    "held_out": 25,
    "rehearsed": 4493,
    "forms": {"杂言": 213, "七律": 14},
    "poets": {"纳兰性德": 257},
    "new_characters": "钰",
    "new_poets": ["纳兰性德"],
    "before": {"own": 4.9, "tang": 4.1},
    "after": {"own": 4.65, "tang": 4.125},
}


@pytest.mark.parametrize("own", [None, "me/odes"])
def test_a_card_of_a_taught_cell_tells_its_own_story(checkpoint, tmp_path, own):
    """What it was before, as its own log says, what it was taught, what it learned and forgot; nothing unmeasured."""
    shutil.copytree(checkpoint, tmp_path / "final")
    (tmp_path / "final" / "training_log.json").write_text(json.dumps({"epochs": 0.8, "kept": "x", "taught": TAUGHT}))
    options = Namespace(kind="model", repo_id="me/mine", dry_run=tmp_path / "out", checkpoint=tmp_path / "final")
    options.dataset_id = own
    publish.publish(options)
    card = ModelCard.load(tmp_path / "out" / "README.md")
    text = " ".join(card.text.split())
    for told in (
        "It began as `someone/tang-lstm`, which knew the poems of the Tang (618–907), and was then taught 257 poems of",
        "It read them 12 times. Beside them it read another corpus, `song`, 3 times",
        "2 larger networks",
        "taught (`python -m training.teach`) 257 poems (杂言 213, 七律 14; of 纳兰性德 257), 25 of them held out",
        "grew by 1 characters. New poets' tokens: `<纳兰性德>`.",
        "| 25 of the poems it was taught, held out | 4.900 | 4.650 |",
        "| poems of the Tang that no stage read | 4.100 | 4.125 |",
        "the Tang and the Song and of what it was taught",
        "poems of [`me/odes`](https://huggingface.co/datasets/me/odes)"
        if own
        else "poems of somebody's own: simplified",
    ):
        assert told in text, told
    assert card.data.datasets == ([own] if own else None) and card.data.base_model == "someone/tang-lstm"
    assert card.data.widget[-1]["messages"][0]["content"] == "五绝 <纳兰性德>"
    assert "not measured |" not in text and "quantangshi" not in text and "{{" not in text and "{%" not in text


def test_the_dataset_is_named_by_its_id_in_its_card(tmp_path):
    folder = dry_run(tmp_path / "out", "dataset", "someone/quantangshi")
    assert files(folder).keys() == files(publish.CORPUS).keys() | {"LICENSE"}
    assert 'load_dataset("someone/quantangshi")' in (folder / "README.md").read_text(encoding="utf-8")
    assert metadata_load(folder / "README.md")["configs"][0]["data_files"][0]["path"] == "train.parquet"


@pytest.fixture(scope="module")
def space(tmp_path_factory) -> Path:
    return dry_run(tmp_path_factory.mktemp("space") / "copy", "space", "someone/tang")


def test_the_front_matter_of_the_space_is_valid(space):
    data = metadata_load(space / "README.md")
    assert (data["sdk"], data["app_file"], data["license"]) == ("gradio", "app.py", "mit")
    requirements = (space / "requirements.txt").read_text()
    first, *rest = [Requirement(line) for line in requirements.splitlines() if not line.startswith("-")]
    pinned = {each.name: str(each.specifier).removeprefix("==") for each in (first, *rest)}
    assert first.name == "torch" and pinned.items() <= publish.pins((ROOT / "constraints.txt").read_text()).items()
    assert data["sdk_version"] == pinned["gradio"]
    assert {"torch", "transformers", "safetensors", "starlette", "numpy", "pandas", "mcp"} <= pinned.keys()
    assert not {"pytest", "ruff", "datasets", "matplotlib"} & pinned.keys()
    assert requirements.startswith(publish.CPU_TORCH) and "hash" not in requirements
    assert "LICENSE" in files(space)
    assert not {"make_font.py", "make_readings.py", "screenshots.py"} & files(space).keys()
    assert re.fullmatch(r"3\.\d+", data["python_version"])
    assert 0 < len(data["short_description"]) <= 60  # what the Hub allows
    assert set(data["models"]) == {f"someone/tang-{cell}" for cell in ("rnn", "lstm", "gru")}
    assert data["datasets"] == ["someone/quantangshi"]


def test_the_space_serves_its_page_from_its_own_files_alone(space, tmp_path):
    port = free_port()
    log = tmp_path / "log"
    with log.open("w") as output:
        environment = clean_environment(tmp_path) | {"GRADIO_SERVER_PORT": str(port), "GRADIO_ANALYTICS_ENABLED": "0"}
        server = subprocess.Popen([sys.executable, "app.py"], cwd=space, env=environment, stdout=output, stderr=output)
        try:
            deadline = time.monotonic() + 300
            while True:
                try:
                    page = urllib.request.urlopen(f"http://127.0.0.1:{port}/", timeout=10).read()
                    break
                except OSError:
                    assert server.poll() is None and time.monotonic() < deadline, log.read_text()
                    time.sleep(0.3)
        finally:
            server.terminate()
            server.wait(30)
    assert b"<html" in page


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"kind": "model", "checkpoint": ROOT / "tests"}, "is not a checkpoint"),
        ({"kind": "dataset", "repo_id": "no//name"}, "--repo-id"),
        ({"kind": "dataset", "dry_run": ROOT / "tests"}, "is not empty"),
    ],
)
def test_what_cannot_be_built_is_said_before_anything_is_written(options, message, tmp_path):
    defaults = {"repo_id": "someone/thing", "dry_run": tmp_path / "out", "dataset_id": None}
    with pytest.raises(publish.PublishError, match=message):
        publish.publish(Namespace(**defaults | options))


# Through the Hub


@pytest.fixture(scope="module")
def hub():
    with hub_server.serve() as hub:
        yield hub


@pytest.fixture
def empty_hub():
    with hub_server.serve() as hub:
        yield hub


def run(hub, home: Path, *command: str, token: str | None = None, cwd: Path = ROOT):
    """A process of its own that knows the Hub by HF_ENDPOINT and has an empty cache."""
    environment = clean_environment(home) | {"HF_HUB_OFFLINE": "0", "HF_ENDPOINT": hub.address}
    environment |= {"HF_HUB_DISABLE_XET": "1", "HF_HUB_DISABLE_PROGRESS_BARS": "1"}
    if token:
        environment["HF_TOKEN"] = token
    command = [sys.executable, *command]
    return subprocess.run(command, cwd=cwd, env=environment, capture_output=True, text=True, check=False)


def push(hub, home: Path, *options: str, token: str | None = "hf_writer"):
    return run(hub, home, "-m", "training.publish", *options, token=token)


@pytest.fixture(scope="module")
def published(hub, measured, tmp_path_factory):
    """The Hub with a model, the dataset and the Space on it."""
    home = tmp_path_factory.mktemp("publisher")
    for options in (
        ["model", "--repo-id", "someone/tang-lstm", "--checkpoint", str(measured)],
        ["dataset", "--repo-id", "someone/quantangshi", "--commit-message", "The corpus"],
        ["space", "--repo-id", "someone/tang"],
    ):
        done = push(hub, home, *options)
        assert done.returncode == 0, done.stderr
        prefix = {"dataset": "datasets/", "space": "spaces/"}.get(options[0], "")
        assert done.stdout.strip() == f"{hub.address}/{prefix}{options[2]}"
    return hub


def test_what_is_pushed_is_what_the_dry_run_writes(published, measured, space, tmp_path):
    model = dry_run(tmp_path / "model", "model", "someone/tang-lstm", checkpoint=measured)
    dataset = dry_run(tmp_path / "dataset", "dataset", "someone/quantangshi")
    assert published.files("model", "someone/tang-lstm") == files(model)
    assert published.files("dataset", "someone/quantangshi") == files(dataset)
    assert published.files("space", "someone/tang") == files(space)
    repositories = published.repositories
    assert repositories["dataset", "someone/quantangshi"].find("main").title == "The corpus"
    assert repositories["space", "someone/tang"].sdk == "gradio"
    assert not any(repository.private for repository in repositories.values())


def test_a_stranger_loads_the_model_by_its_id(published, measured, tmp_path):
    from_hub = run(published, tmp_path, "-c", STRANGER, "someone/tang-lstm", *POEMS, cwd=tmp_path)
    assert from_hub.returncode == 0, from_hub.stderr
    from_folder = run(published, tmp_path, "-c", STRANGER, str(measured), *POEMS, cwd=tmp_path)
    assert json.loads(from_hub.stdout) == json.loads(from_folder.stdout)


def test_the_dataset_loads_by_its_id(published, tmp_path):
    program = "import sys, datasets; print({k: v.num_rows for k, v in datasets.load_dataset(sys.argv[1]).items()})"
    done = run(published, tmp_path, "-c", program, "someone/quantangshi", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip() == "{'train': 50193, 'validation': 1346, 'test': 1257}"


def test_the_cards_own_snippets_run_as_printed(published, tmp_path):
    card = published.files("model", "someone/tang-lstm")["README.md"].decode()
    snippets = re.findall(r"```python\n(.*?)```", card, re.S)
    assert len(snippets) == 6 and "TangPoet" in snippets[-2] and "onnxruntime" in snippets[-1]
    done = run(published, tmp_path, "-c", "\n".join(snippets[:-1]))
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("春") and len(done.stdout.splitlines()) >= 8
    alone = run(published, tmp_path, "-c", f"import sys; sys.modules['torch'] = None\n{snippets[-1]}")
    assert alone.returncode == 0 and alone.stdout.startswith("春"), alone.stderr


def test_a_private_repository_on_a_branch(empty_hub, measured, tmp_path):
    options = ["--checkpoint", str(measured), "--private", "--revision", "next", "--commit-message", "Try this"]
    done = push(empty_hub, tmp_path, "model", "--repo-id", "someone/secret", *options)
    assert done.returncode == 0, done.stderr
    repository = empty_hub.repositories["model", "someone/secret"]
    assert repository.private
    assert not repository.find("main").files
    assert repository.find("next").title == "Try this" and "model.safetensors" in repository.find("next").files


def test_publishing_again_replaces_what_was_there(empty_hub, measured, tmp_path):
    checkpoint = Path(shutil.copytree(measured, tmp_path / "checkpoint"))
    options = ["model", "--repo-id", "someone/tang-lstm", "--checkpoint", str(checkpoint)]
    assert push(empty_hub, tmp_path, *options).returncode == 0
    (checkpoint / "training_log.json").unlink()
    assert push(empty_hub, tmp_path, *options).returncode == 0
    assert {"training_log.json", "loss.png"}.isdisjoint(empty_hub.files("model", "someone/tang-lstm"))
    assert len(empty_hub.repositories["model", "someone/tang-lstm"].branches["main"]) == 3


@pytest.mark.parametrize(
    ("token", "refusal", "message"),
    [
        (None, None, "not logged in to the Hub"),
        ("hf_unknown", None, "does not know this token"),
        ("hf_reader", None, "may not write to someone/tang-lstm"),
        ("hf_writer", ("POST .*/commit/", 409, "A commit has happened since"), "changed by someone else meanwhile"),
        ("hf_writer", ("PUT /lfs/", 400, "The upload broke off"), "upload to someone/tang-lstm failed"),
    ],
)
@pytest.mark.parametrize("existed", [False, True])
def test_a_refusal_is_one_line_and_leaves_nothing_half_done(
    empty_hub, measured, tmp_path, token, refusal, message, existed
):
    key = ("model", "someone/tang-lstm")
    if existed:
        empty_hub.repositories[key] = hub_server.Repository()
    if refusal:
        empty_hub.refuse(*refusal)
    options = ["model", "--repo-id", "someone/tang-lstm", "--checkpoint", str(measured)]
    done = push(empty_hub, tmp_path, *options, token=token)
    assert done.returncode == 2 and not done.stdout
    assert done.stderr.count("\n") == 1 and message in done.stderr, done.stderr
    if existed:
        assert [commit.title for commit in empty_hub.repositories[key].branches["main"]] == ["initial commit"]
    else:
        assert key not in empty_hub.repositories

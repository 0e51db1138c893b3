"""Publishes on the Hugging Face Hub: ``python -m training.publish {model,dataset,space} --repo-id you/name``.

What is pushed is first built in a folder, always in the same way; ``--dry-run FOLDER`` leaves it there and stops.

    model      a checkpoint with its code files, a step of it as an ONNX model, a model card filled from model_card.md,
               its figures as the Hub has them, the picture of its loss curves
    dataset    training/corpus with its card
    space      demo/ with the package and the shipped checkpoints beside it: it needs neither a Hub nor this repository
"""

from __future__ import annotations

import argparse
import re
import shutil
import sys
import tempfile
import tomllib
from pathlib import Path

import pyarrow.parquet as pq
import yaml
from huggingface_hub import (
    EvalResult,
    EvalResultEntry,
    HfApi,
    ModelCard,
    ModelCardData,
    eval_result_entries_to_yaml,
    metadata_load,
    metadata_save,
)
from huggingface_hub.errors import HfHubHTTPError, HFValidationError, LocalTokenNotFoundError
from huggingface_hub.utils import validate_repo_id

from tang_rnn.checkpoint import load_model
from tang_rnn.faults import Fault, first_line

from .errors import UserError, ended
from .papers import read_json

ROOT = Path(__file__).parents[1]
PACKAGE = ROOT / "tang_rnn"
CORPUS = ROOT / "training" / "corpus"
DEMO = ROOT / "demo"
CODE_FILES = ("cells.py", "configuration_tang_rnn.py", "files.py", "modeling_tang_rnn.py")
DATASET_NAME = "quantangshi"  # in the owner's namespace, unless --dataset-id says otherwise
REMAINS = ("__pycache__", ".*", "*.pyc")
LEAVE_OUT = shutil.ignore_patterns(*REMAINS)
NOT_FOR_A_SPACE = shutil.ignore_patterns(*REMAINS, "make_*.py", "screenshots*")  # what the page's makers need


def example(told: str, opening: str) -> dict:
    """Something to try on a model's page."""
    messages = [{"role": "system", "content": told}, {"role": "user", "content": opening}]
    return {"example_title": told, "messages": messages}


WIDGET = [{"text": "春"}, example("五绝", "月"), example("七律 <李白>", "秋")]
# The Hub's own machines have no GPU unless one pays for it, and the index' builds of torch bring CUDA along.
CPU_TORCH = "--extra-index-url https://download.pytorch.org/whl/cpu"


class PublishError(UserError):
    """What cannot be built or pushed."""


def draw_curves(curves: dict[str, list], path: Path) -> bool:
    """The picture of losses by step, [step, loss] each; False where there are none."""
    curves = {name: points for name, points in curves.items() if points}
    if not curves:
        return False
    from matplotlib.figure import Figure  # only publishing needs it

    figure = Figure(figsize=(7, 3.5), layout="constrained")
    axes = figure.subplots()
    for name, points in curves.items():
        axes.plot(*zip(*points, strict=True), label=name, marker=None if name == "train" else "o", markersize=3)
    axes.set(xlabel="step", ylabel="nats per character")
    axes.grid(alpha=0.3)
    axes.legend()
    figure.savefig(path, dpi=120, metadata={"Software": None})
    return True


def figures(test: dict, dataset_id: str) -> tuple[list[EvalResult], list[EvalResultEntry]]:
    """What was measured on the test split, as the card's front matter has it and as the Hub's pages of results do."""
    known = {"loss": "nats per character", "perplexity": "perplexity per character"}
    values = {key: round(test[key], 4) for key in known if key in test}
    old = [
        EvalResult(
            task_type="text-generation",
            dataset_type=dataset_id,
            dataset_name="全唐诗, cleaned and simplified",
            dataset_split="test",
            metric_type="perplexity" if key == "perplexity" else "cross-entropy",
            metric_name=known[key],
            metric_value=value,
        )
        for key, value in values.items()
    ]
    notes = "test split, by python -m training.evaluate"
    return old, [EvalResultEntry(dataset_id, key, value, notes=notes) for key, value in values.items()]


def versions() -> dict[str, str]:
    """Since which release of transformers the code runs, and with which it was written."""
    declared = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]["dependencies"]
    since = next(line.partition(">=")[2] for line in declared if line.startswith("transformers"))
    return {"since": since, "with": pins((ROOT / "constraints.txt").read_text(encoding="utf-8"))["transformers"]}


def build_onnx(checkpoint: Path, path: Path) -> None:
    """One step of the network as an ONNX model."""
    try:
        from .onnx_model import write_onnx

        write_onnx(load_model(checkpoint), path)
    except ModuleNotFoundError as error:
        raise PublishError(f"the ONNX model needs {error.name}: pip install 'tang_rnn[train]'") from None
    except (Fault, RuntimeError) as error:
        raise PublishError(f"{checkpoint} gives no ONNX model: {first_line(error)}") from None


def build_model(folder: Path, repo_id: str, checkpoint: Path, dataset_id: str | None) -> None:
    """A checkpoint as a model repository.

    Args:
        dataset_id: what it was trained on, or, where it was taught by training.teach, taught; None: this repository's
            corpus, or somebody's own poems that are not on the Hub.
    """
    config = read_json(checkpoint / "config.json", missing={})
    if config.get("model_type") != "tang_rnn" or not (checkpoint / "model.safetensors").exists():
        raise PublishError(f"{checkpoint} is not a checkpoint: it needs a TangRNN config.json and model.safetensors")
    shutil.copytree(checkpoint, folder, ignore=LEAVE_OUT, dirs_exist_ok=True)
    for name in CODE_FILES:
        shutil.copy(PACKAGE / name, folder)
    shutil.copy(ROOT / "LICENSE", folder)
    build_onnx(checkpoint, folder / "onnx" / "model.onnx")
    log, evaluation = (read_json(checkpoint / f"{name}.json", missing={}) for name in ("training_log", "evaluation"))
    taught = log.get("taught")
    corpus_id = f"{repo_id.rpartition('/')[0]}/{DATASET_NAME}".lstrip("/")  # of this repository's, on the Hub
    if dataset_id and not taught:
        corpus_id = dataset_id
    has_picture = draw_curves({name: log.get(name) for name in ("train", "validation")}, folder / "loss.png")
    results, entries = figures(evaluation.get("test", {}), corpus_id)
    if entries:
        (folder / ".eval_results").mkdir()
        text = yaml.safe_dump(eval_result_entries_to_yaml(entries), allow_unicode=True, sort_keys=False)
        (folder / ".eval_results" / "test.yaml").write_text(text, encoding="utf-8")
    data = ModelCardData(
        language="zh",
        license="mit",
        library_name="transformers",
        pipeline_tag="text-generation",
        tags=["poetry", "classical-chinese", "tang-poetry", config["cell_type"], "onnx", "custom_code"],
        datasets=[dataset_id] if dataset_id else None if taught else [corpus_id],
        base_model=taught["cell"] if taught and "/" in taught["cell"] else None,
        widget=WIDGET + [example("五绝 " + f"<{poet}>", "春") for poet in (taught or {}).get("new_poets", [])[:1]],
        model_name=repo_id.split("/")[-1],
        eval_results=results or None,
    )
    card = ModelCard.from_template(
        data,
        template_path=str(ROOT / "model_card.md"),
        repo_id=repo_id,
        dataset_id=corpus_id,
        taught_id=dataset_id,
        poems=pq.read_metadata(CORPUS / "train.parquet").num_rows if taught or not dataset_id else None,
        config=config,
        evaluation=evaluation,
        taught=taught,
        log=log | (taught["cell_log"] if taught else {}),  # what it had read before it was taught
        transformers=versions(),
        has_picture=has_picture,
    )
    card.save(folder / "README.md")


def build_dataset(folder: Path, repo_id: str) -> None:
    """The corpus as a dataset repository; its card then names it by its id."""
    if not list(CORPUS.glob("*.parquet")):
        raise PublishError(f"{CORPUS} holds no parquet files: python -m training.corpus makes them")
    shutil.copytree(CORPUS, folder, ignore=LEAVE_OUT, dirs_exist_ok=True)
    shutil.copy(ROOT / "LICENSE", folder)
    card = folder / "README.md"
    text = card.read_text(encoding="utf-8").replace('load_dataset("training/corpus")', f'load_dataset("{repo_id}")')
    card.write_text(text, encoding="utf-8")


def pins(constraints: str) -> dict[str, str]:
    """The versions of a constraints file, by name as pip compares names."""
    return dict(re.findall(r"^([\w.-]+)==([^\s;]+)", constraints.lower().replace("_", "-"), re.M))


def space_requirements() -> str:
    """What a Space installs: the versions of what the page needs, for a Space reads no second file.

    Without hashes: pip wants them of all packages or of none, and neither torch's build for CPUs, which is of another
    index than the one that requirements/ was written by, nor what a Space installs of its own has one there.
    """
    torch = pins((ROOT / "constraints.txt").read_text(encoding="utf-8"))["torch"]
    locked = (ROOT / "requirements" / "demo.txt").read_text(encoding="utf-8")
    return "\n".join([CPU_TORCH, f"torch=={torch}", *re.findall(r"^[\w.-]+==.*[^\s\\]", locked, re.M)]) + "\n"


def build_space(folder: Path, repo_id: str) -> None:
    """The demo as a Space that stands alone; its front matter names the models and the dataset of the same owner."""
    front_matter = metadata_load(DEMO / "README.md") if (DEMO / "README.md").exists() else None
    if not front_matter or front_matter.get("sdk") != "gradio":
        raise PublishError(f"{DEMO / 'README.md'} lacks a Space's front matter")
    if not (DEMO / front_matter["app_file"]).exists():
        raise PublishError(f"{DEMO} lacks the {front_matter['app_file']} that its front matter names")
    shutil.copytree(DEMO, folder, ignore=NOT_FOR_A_SPACE, dirs_exist_ok=True)
    owner = repo_id.rpartition("/")[0]
    for kind in ("models", "datasets"):
        names = [name.rpartition("/")[2] for name in front_matter.get(kind, [])]
        front_matter[kind] = [f"{owner}/{name}" if owner else name for name in names]
    metadata_save(folder / "README.md", front_matter)
    shutil.copytree(PACKAGE, folder / "tang_rnn", ignore=LEAVE_OUT, dirs_exist_ok=True)
    (folder / "requirements.txt").write_text(space_requirements(), encoding="utf-8")
    shutil.copy(ROOT / "LICENSE", folder)


def explain(error: Exception, repo_id: str) -> str:
    """One line for what the Hub, or the way there, said."""
    status = error.response.status_code if isinstance(error, HfHubHTTPError) else None
    said = first_line(getattr(error, "server_message", None) or error)
    if status == 401:
        return "the Hub does not know this token: log in with `hf auth login`, or pass --token"
    if status == 403:
        return f"this token may not write to {repo_id} ({said})"
    if status == 409:
        return f"{repo_id} was changed by someone else meanwhile, or exists as something else ({said}): try again"
    return f"the upload to {repo_id} failed: {said}"


def push(folder: Path, repo_id: str, repo_type: str, options: argparse.Namespace) -> str:
    """Uploads the folder in one commit and returns the address of the repository.

    A commit is there as a whole or not at all. A repository that was made for it and then got none is removed again.
    """
    api = HfApi(token=options.token)
    created = False
    try:
        api.whoami()
        created = not api.repo_exists(repo_id, repo_type=repo_type)
        url = api.create_repo(
            repo_id,
            repo_type=repo_type,
            private=options.private or None,
            exist_ok=True,
            space_sdk="gradio" if repo_type == "space" else None,
        )
        if options.revision:
            api.create_branch(repo_id, branch=options.revision, repo_type=repo_type, exist_ok=True)
        api.upload_folder(
            repo_id=repo_id,
            folder_path=folder,
            repo_type=repo_type,
            revision=options.revision,
            commit_message=options.commit_message,
            delete_patterns="*",  # what an earlier version had and this one has not
        )
        return str(url)
    except LocalTokenNotFoundError:
        raise PublishError("not logged in to the Hub: `hf auth login`, or pass --token") from None
    except Exception as error:  # the client lets through the errors of three other libraries
        message = explain(error, repo_id)
        if created:
            try:
                api.delete_repo(repo_id, repo_type=repo_type, missing_ok=True)
            except Exception:
                message += f"; the empty repository {repo_id} may be left there"
        raise PublishError(message) from error


def parse(argv: list[str] | None) -> argparse.Namespace:
    common = argparse.ArgumentParser(add_help=False)
    common.add_argument("--repo-id", required=True, help="where to, such as you/tang-lstm")
    common.add_argument("--dry-run", type=Path, metavar="FOLDER", help="write what would be pushed to this folder")
    common.add_argument("--private", action="store_true", help="for a new repository")
    common.add_argument("--revision", help="branch to commit to, made where it is missing (default: main)")
    common.add_argument("--commit-message", help="default: the client's own")
    common.add_argument("--token", help="default: that of `hf auth login` or HF_TOKEN")
    parser = argparse.ArgumentParser(prog="training.publish", description="Publish on the Hugging Face Hub.")
    kinds = parser.add_subparsers(dest="kind", required=True)
    model = kinds.add_parser("model", parents=[common], help="a checkpoint with its card")
    model.add_argument("--checkpoint", type=Path, default=PACKAGE / "pretrained" / "lstm", help="default: the LSTM")
    model.add_argument(
        "--dataset-id",
        help=f"the Hub id of what it was trained on (default: {DATASET_NAME} of the same owner), or taught",
    )
    kinds.add_parser("dataset", parents=[common], help="the corpus")
    kinds.add_parser("space", parents=[common], help="the page")
    return parser.parse_args(argv)


def publish(options: argparse.Namespace) -> str:
    """Builds and pushes, or with `dry_run` only builds. Returns where the result is."""
    try:
        validate_repo_id(options.repo_id)
    except HFValidationError as error:
        raise PublishError(f"--repo-id: {error}") from None
    if options.dry_run and options.dry_run.exists() and any(options.dry_run.iterdir()):
        raise PublishError(f"{options.dry_run} is not empty")
    with tempfile.TemporaryDirectory() as temporary:
        folder = options.dry_run or Path(temporary)
        folder.mkdir(parents=True, exist_ok=True)
        if options.kind == "model":
            build_model(folder, options.repo_id, options.checkpoint, options.dataset_id)
        elif options.kind == "dataset":
            build_dataset(folder, options.repo_id)
        else:
            build_space(folder, options.repo_id)
        return str(folder) if options.dry_run else push(folder, options.repo_id, options.kind, options)


def main(argv: list[str] | None = None) -> int:
    options = parse(argv)
    return ended("training.publish", lambda: print(publish(options)))


if __name__ == "__main__":
    sys.exit(main())

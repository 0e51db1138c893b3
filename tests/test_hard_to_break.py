"""Whatever is asked is written by its rules or refused in words; whatever a folder holds, no harm is done."""

import json
import os
import pickle
import random
import resource
import shutil
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

import hostile
import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from safetensors.torch import load_file, save_file

from tang_rnn import PoetError, RuleConflict, TangPoet, TangRNNConfig, TangRNNForCausalLM, TangTokenizer, verse
from tang_rnn.faults import Fault
from tang_rnn.inspection import inspect
from tang_rnn.poet import CELLS, PRETRAINED
from tang_rnn.rules import Rules, VerseConstraint, Vocabulary
from tang_rnn.verse import COMMA, FORMS, PINGSHUI, STOP
from tang_rnn.writing.request import OPTIONS, RULES
from tang_rnn.writing.script import to_traditional
from training.export import export

# The same examples every time; EXAMPLES=2000 in the environment looks further.
fixed = settings(
    max_examples=int(os.environ.get("EXAMPLES", 60)),
    derandomize=True,
    database=None,
    deadline=None,
    suppress_health_check=list(HealthCheck),
)


@pytest.fixture(scope="session")
def cell() -> str:
    return "lstm"


# -- what is asked ----------------------------------------------------------------------------------------------------

TOKENIZER = TangTokenizer.from_pretrained(PRETRAINED / "lstm")
KNOWN = sorted(set(Vocabulary(TOKENIZER).ids) - {COMMA, STOP})
PATTERNS = [pattern.name for form in ("五绝", "七绝", "五律", "七律") for pattern in verse.patterns(form)]


@pytest.fixture(scope="module")
def poet() -> TangPoet:
    """A small model with the shipped vocabulary and random weights: the rules must hold whatever a model prefers."""
    torch.manual_seed(0)
    config = TangRNNConfig(vocab_size=len(TOKENIZER), embedding_size=8, hidden_size=8, initializer_range=1.0)
    return TangPoet(TangRNNForCausalLM(config), TOKENIZER)


def often(usual, unusual):
    return st.one_of(usual, usual, usual, unusual)


chinese = st.text(st.sampled_from([*KNOWN, *map(to_traditional, KNOWN[:500])]), max_size=4)
anything = st.text(st.characters(exclude_categories=()), max_size=8)  # surrogates, controls and emoji too
asked = st.fixed_dictionaries(
    {
        "opening": often(chinese, anything),
        "seed": often(st.integers(0, 2**53 - 1), st.integers()),
        "candidates": st.sampled_from([1, 1, 1, 2, 0]),
    },
    optional={
        "form": often(st.sampled_from([None, *FORMS]), anything),
        "regulated": st.booleans(),
        "rhyme": often(st.sampled_from([None, True, *PINGSHUI.level_groups]), anything),
        "pattern": often(st.sampled_from([None, *PATTERNS]), anything),
        "acrostic": often(chinese, anything),
        "acrostic_tail": often(chinese, anything),
        "avoid": often(chinese, anything),
        "num_lines": often(st.integers(0, 16), st.integers()),
        "poet": often(st.sampled_from(["", *TOKENIZER.poets]), anything),
        "title": often(chinese, anything),
        "temperature": often(st.floats(0.1, 2), st.floats()),
        "top_p": often(st.floats(0.1, 1), st.floats()),
        "top_k": st.integers(-1, 100),
        "repetition_penalty": often(st.floats(0.5, 2), st.floats()),
    },
)


@fixed
@given(options=asked)
def test_a_poem_keeps_its_form_and_rules_or_is_refused(poet, options):
    try:
        poem = poet.write(**options)
    except (PoetError, RuleConflict) as error:
        assert str(error) and "\n" not in str(error)
        return
    normal = poet.reader.normalize
    ids = TOKENIZER(poem.text).input_ids
    given = set("".join(normal(options.get(name, "")) for name in ("opening", "acrostic", "acrostic_tail")))
    foreign = set(poem.text) - set(TOKENIZER.get_vocab())
    assert foreign <= given, "the model writes no character that it does not know"
    assert foreign or TOKENIZER.decode(ids, skip_special_tokens=True) == poem.text
    assert poem.text.endswith(STOP) and json.loads(json.dumps(poem.to_dict())) and poem.traditional().text
    form = FORMS[poem.form]
    if form.line_length:
        assert {len(line) for line in poem.lines} == {form.line_length}
        assert "".join(poem.lines).startswith("".join(char for char in poem.opening if char not in COMMA + STOP))
    if form.num_lines:
        assert len(poem.lines) == form.num_lines
    assert options.get("form") in (None, poem.form)
    assert all(line[0] == char for line, char in zip(poem.lines, normal(options.get("acrostic", ""))))
    assert all(line[-1] == char for line, char in zip(poem.lines, normal(options.get("acrostic_tail", ""))))
    assert not (set(normal(options.get("avoid", ""))) - {COMMA, STOP}) & set(poem.text)
    if options.get("regulated") or options.get("pattern"):
        assert poem.prosody.ok, poem.prosody
        assert options.get("pattern") in (None, poem.prosody.pattern)
    elif options.get("rhyme"):
        ends = [set(PINGSHUI.readings(line[-1])) for line in poem.lines[1::2]]
        assert set.intersection(*ends) & set(PINGSHUI.level_groups)
    if options["seed"] % 3 == 0:
        assert poet.write(**options) == poem


WRONG = (
    None,
    5,
    -1,
    10**6,
    10**30,
    2.5,
    float("nan"),
    float("inf"),
    True,
    "3",
    "",
    "\0",
    b"x",
    [],
    [5],
    ["春"],
    {},
    {1: 2},
)
WRONG += (
    (1, 2),
    object(),
    torch.tensor([1, 2]),
    range(3),
    {"a"},
    {("1", "2"): "月"},
    {(1.5, 2): "月"},
    {(-1, 9): "月"},
)
POEM = "白日依山尽，黄河入海流。"
CALLS = {
    **{name: lambda poet, value, name=name: write_one(poet, **{name: value}) for name in OPTIONS},
    "first": lambda poet, value: write_one(poet, first=value),
    "stream": lambda poet, value: poet.stream(value),
    "name": lambda poet, value: TangPoet.from_pretrained(value),
    "score": lambda poet, value: poet.score(value),
    "context": lambda poet, value: poet.score("春", value),
    "skip": lambda poet, value: poet.score("春", "", value),
    "text": lambda poet, value: inspect(poet, value),
    "told": lambda poet, value: inspect(poet, POEM, value),
    "top": lambda poet, value: inspect(poet, POEM, top=value),
    "poem": lambda poet, value: poet.alternatives(value, 1, 1),
    "line": lambda poet, value: poet.alternatives(POEM, value, 1),
    "place": lambda poet, value: poet.alternatives(POEM, 1, value),
    "most": lambda poet, value: poet.alternatives(POEM, 1, 1, value),
    "characters": lambda poet, value: poet.alternatives(POEM, 1, 1, characters=value),
    "manner": lambda poet, value: poet.alternatives(POEM, 1, 1, poet=value),
    "revise": lambda poet, value: poet.revise(value, keep=1),
    "keep": lambda poet, value: poet.revise(POEM, keep=value, seed=1),
    "check": lambda poet, value: verse.check(value),
    "check, form": lambda poet, value: verse.check(POEM, value),
    "check, book": lambda poet, value: verse.check(POEM, book=value),
    "get_form": lambda poet, value: verse.get_form(value),
    "get_book": lambda poet, value: verse.get_book(value),
    "patterns": lambda poet, value: verse.patterns(value),
    "patterns, lines": lambda poet, value: verse.patterns("七排", value),
    **{
        f"Rules, {name}": lambda poet, value, name=name: VerseConstraint(Rules(**{name: value}), poet.tokenizer)
        for name in RULES
    },
}


def write_one(poet, /, **options):
    """The first poem of what may be a million."""
    return next(iter(poet.each(**{"form": "五绝", "seed": 1, "opening": ""} | options)), None)


@pytest.mark.parametrize("name", CALLS)
def test_what_is_of_a_wrong_type_is_a_fault_in_one_short_line(poet, name):
    for value in WRONG:
        try:
            CALLS[name](poet, value)
        except Fault as fault:
            assert "\n" not in str(fault) and len(str(fault)) < 2000


@pytest.mark.parametrize(
    ("call", "said"),
    [
        (lambda poet: poet.write(None), "the opening must be text"),
        (lambda poet: poet.write("春", form=5), "form must be text"),
        (lambda poet: poet.write("春", count="3"), "count must be a whole number, 1 or more, not '3'"),
        (lambda poet: poet.write("春", seed=True), "seed must be a whole number between 0 and"),
        (lambda poet: poet.write("春", fixed={(1.5, 2): "月"}), "fixed must give characters by line and place"),
        (lambda poet: list(poet.each("春", first=-1)), "first must be a whole number, 0 or more, not -1"),
        (lambda poet: inspect(poet, POEM, top=10**6), "top must be a whole number between 1 and"),
        (lambda poet: inspect(poet, 5), "the poem must be text"),
        (lambda poet: poet.score(POEM, skip=99), "skip must be a whole number between 0 and"),
        (lambda poet: verse.check(5), "the poem must be text"),
        (lambda poet: poet.alternatives(None, 1, 1), "the poem must be text"),
        (lambda poet: poet.revise(5), "the poem must be text"),
        (lambda poet: poet.next_lines(3), "the poem must be text"),
        (lambda poet: poet.answer(None), "line must be text"),
        (lambda poet: verse.check(POEM, book="x"), "rhyme_book must be one of"),
        (lambda poet: TangPoet.from_pretrained(5), "name must be text"),
        (lambda poet: Rules(regulated="yes"), "regulated must be true or false"),
    ],
)
def test_a_fault_names_the_argument(poet, call, said):
    with pytest.raises(Fault, match=said):
        call(poet)


@fixed
@given(text=anything | chinese, form=st.sampled_from([None, *FORMS]) | anything)
def test_the_judge_judges_or_refuses(text, form):
    try:
        assert json.dumps(verse.check(text, form).to_dict())
    except ValueError as error:
        assert str(error) and "\n" not in str(error) and not isinstance(error, UnicodeError)


def test_writers_in_threads_do_not_disturb_each_other(poet):
    """Poems alone and in batches, beams, streams and scores at the same time; each as if it were alone."""
    text = "白日依山尽，黄河入海流。欲穷千里目，更上一层楼。"
    tasks = [
        lambda: poet.write("春", form="五绝", seed=1),
        lambda: poet.write(["月", "山水"], form="七绝", regulated=True, candidates=2, seed=2),
        lambda: poet.write("", title="送别", seed=3),
        lambda: poet.write("秋", form="五绝", num_beams=2, seed=4),
        lambda: list(poet.stream("江", form="五绝", seed=5)),
        lambda: poet.score(text),
        lambda: poet.write(["江", "春风"], seed=6),
    ]
    alone = [task() for task in tasks]
    with ThreadPoolExecutor(8) as pool:
        together = list(pool.map(lambda number: tasks[number % len(tasks)](), range(5 * len(tasks))))
    assert together == alone * 5


# -- checkpoint folders -----------------------------------------------------------------------------------------------


@pytest.fixture
def folder(checkpoint, tmp_path) -> Path:
    """A copy of the tiny checkpoint, to be damaged."""
    return Path(shutil.copytree(checkpoint, tmp_path / "copy"))


@contextmanager
def at_most(kind: int, amount: int):
    """Lowers a limit of this process for a while."""
    soft, hard = resource.getrlimit(kind)
    resource.setrlimit(kind, (amount, hard))
    try:
        yield
    finally:
        resource.setrlimit(kind, (soft, hard))


def refused(folder: Path) -> str:
    """What is said when the folder is opened; it takes no more than another 2 GiB of address space."""
    used = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
    with at_most(resource.RLIMIT_AS, used + 2**31), pytest.raises(PoetError) as caught:
        TangPoet.from_pretrained(folder)
    said = str(caught.value)
    assert said.startswith(f"cannot load {str(folder)!r}: ") and "\n" not in said
    return said


def edit(path: Path, **changes) -> None:
    path.write_text(json.dumps(json.loads(path.read_text()) | changes))


@pytest.mark.parametrize("name", ["config.json", "model.safetensors", "tokenizer.json", "tokenizer_config.json"])
def test_missing_empty_and_cut_files(folder, name):
    whole = (folder / name).read_bytes()
    for length in (0, 1, 7, len(whole) // 2, len(whole) - 2):
        (folder / name).write_bytes(whole[:length])
        refused(folder)
    (folder / name).unlink()
    assert f"no file {name}" in refused(folder)
    os.mkfifo(folder / name)  # would be waited for
    assert f"no file {name}" in refused(folder)


@pytest.mark.parametrize("name", ["config.json", "model.safetensors", "tokenizer.json", "generation_config.json"])
def test_files_with_wrong_bytes(folder, name):
    """Three bits or a few bytes anywhere: a poet that writes, or a refusal; nothing else."""
    whole, draw = (folder / name).read_bytes(), random.Random(name)
    for _ in range(25):
        damaged = bytearray(whole)
        for _ in range(3):
            damaged[draw.randrange(draw.choice([len(whole), min(len(whole), 900)]))] ^= 1 << draw.randrange(8)
        if draw.random() < 0.3:
            place = draw.randrange(len(whole))
            damaged[place : place + draw.randrange(8)] = draw.randbytes(draw.randrange(8))
        (folder / name).write_bytes(damaged)
        try:
            poet = TangPoet.from_pretrained(folder)
            poet.write("春", form="五绝", seed=1)
            poet.write("春", form="五绝", num_beams=2)
        except PoetError as error:
            assert "\n" not in str(error)


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"num_hidden_layers": 10**9}, "num_hidden_layers must be between 1 and 100"),
        ({"num_hidden_layers": 100}, "it speaks of 100 layers"),
        ({"hidden_size": 10**9}, "hidden_size must be between 1 and"),
        ({"vocab_size": 10**12}, "vocab_size must be between 1 and"),
        ({"hidden_size": 2**14, "embedding_size": 2**14}, "the weights are not those of config.json"),
        ({"hidden_size": 33}, "the weights are not those of config.json"),
        ({"cell_type": "__import__('os')"}, "cell_type must be one of"),
        ({"hidden_size": "32"}, "hidden_size"),
        ({"hidden_size": None}, "hidden_size"),
        ({"hidden_size": 1e300}, "hidden_size"),
        ({"hidden_size": [32]}, "hidden_size"),
        ({"model_type": "bert"}, "not that of a tang_rnn model"),
        ({"dtype": "complex64"}, "dtype in config.json must be one of"),
        ({"dtype": ["float32"]}, "dtype in config.json must be one of"),
        ({"eos_token_id": [1, 2, 3]}, "eos_token_id is 2 in the tokenizer"),
        ({"tie_word_embeddings": False}, "lm_head"),
    ],
)
def test_a_hostile_configuration(folder, changes, said):
    edit(folder / "config.json", **changes)
    assert said in refused(folder)


def test_the_configuration_of_another_cell(folder):
    ours = json.loads((folder / "config.json").read_text())["cell_type"]
    for cell in set(CELLS) - {ours}:
        edit(folder / "config.json", cell_type=cell)
        assert "the weights are not those of config.json" in refused(folder)


class Trap:
    """Unpickled, it leaves a file behind."""

    def __init__(self, path: Path):
        self.path = path

    def __reduce__(self):
        return os.mkdir, (str(self.path),)


def test_no_code_of_a_folder_is_run(folder, tmp_path):
    """Neither modules that config.json and its kin name, nor a pickle, whatever the names of the files."""
    trap, before = tmp_path / "trapped", TangPoet.from_pretrained(folder).write("春", form="五绝", seed=1)
    for name in ("configuration_tang_rnn.py", "modeling_tang_rnn.py", "evil.py", "__init__.py"):
        (folder / name).write_text(f"import os\nos.mkdir({str(trap)!r})\n")
    classes = ("AutoConfig", "AutoModel", "AutoModelForCausalLM", "AutoTokenizer", "AutoProcessor")
    hostile = {
        "auto_map": {name: "evil.Evil" for name in classes},
        "_attn_implementation": "someone/kernel",
        "quantization_config": {"quant_method": "bitsandbytes", "load_in_8bit": True},
        "custom_generate": "evil",
        "trust_remote_code": True,
    }
    for name in ("config.json", "generation_config.json", "tokenizer_config.json"):
        edit(folder / name, **hostile)
    edit(folder / "tokenizer_config.json", tokenizer_class="Evil")
    pickled = pickle.dumps(Trap(trap))
    for name in ("pytorch_model.bin", "training_args.bin", "tokenizer.pkl", "vocab.txt"):
        (folder / name).write_bytes(pickled)
    poet = TangPoet.from_pretrained(folder)
    assert poet.write("春", form="五绝", seed=1) == before and poet.write("春", form="五绝", num_beams=2)
    for name in ("model.safetensors", "tokenizer.json", "config.json"):
        good = (folder / name).read_bytes()
        (folder / name).write_bytes(pickled)
        refused(folder)
        (folder / name).write_bytes(good)
    assert not trap.exists()
    pickle.loads(pickled)
    assert trap.exists(), "the trap works"


@pytest.mark.parametrize("value", [float("nan"), float("inf"), 1e30])
def test_damaged_weights(folder, value):
    weights = {name: tensor.float() for name, tensor in load_file(folder / "model.safetensors").items()}
    weights["model.projection.bias"][3] = value
    save_file(weights, folder / "model.safetensors", {"format": "pt"})
    assert "model.projection.bias has values that no training gives" in refused(folder)


def test_a_tokenizer_with_gaps_or_without_marks(folder):
    path, good = folder / "tokenizer.json", json.loads((folder / "tokenizer.json").read_text())
    vocabulary = good["model"]["vocab"]
    bad = {
        "without a gap": {token: index + (token == "眠") for token, index in vocabulary.items()},
        "needs tokens for": {("x" if token == COMMA else token): index for token, index in vocabulary.items()},
    }
    for said, changed in bad.items():
        path.write_text(json.dumps(good | {"model": good["model"] | {"vocab": changed}}))
        assert said in refused(folder)


@pytest.mark.parametrize("name", hostile.HOSTILE)
def test_a_hostile_folder(name, tmp_path):
    """Each in a process of its own with little memory: refused in words, or opened as if nothing had been changed."""
    damage, said = hostile.HOSTILE[name]
    folder = Path(shutil.copytree(PRETRAINED / "lstm", tmp_path / "folder"))
    damage(folder)
    how = hostile.opened(folder)
    assert how.status == 0 and how.mebibytes < 200 and "\n" not in how.said, how
    assert said in how.said if said else not how.said, how


# -- a disk that is full ----------------------------------------------------------------------------------------------


def contents(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_the_old_checkpoint_survives_a_full_disk(folder):
    """No file beyond so many bytes can be written; for each way of saving, at several points of it."""
    poet = TangPoet.from_pretrained(folder)
    for parameter in poet.model.parameters():
        parameter.data.mul_(0.5)
    before = contents(folder)
    saving = {
        "export": lambda: export(poet.model, poet.tokenizer, folder),
        "model": lambda: poet.model.save_pretrained(folder),
        "tokenizer": lambda: poet.tokenizer.save_pretrained(folder),
    }
    for name, save in saving.items():
        for limit in (0, 500, 2000):
            with at_most(resource.RLIMIT_FSIZE, limit), pytest.raises(Exception):  # noqa: B017
                save()
            assert contents(folder) == before and not list(folder.glob(".*")), (name, limit)
    export(poet.model, poet.tokenizer, folder)
    assert contents(folder)["model.safetensors"] != before["model.safetensors"]
    assert contents(folder).keys() == before.keys()

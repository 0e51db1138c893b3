"""What writing costs: ``python -m benchmarks.generate [--json]``.

The same quatrains (七绝 beginning with 春) by :meth:`TangPoet.write`, free and regulated, beside

- the bare loop: the same weights as the model has them, torch's own cell, projection, output layer, the likeliest 64
  and a draw from them, nothing around it;
- plain ``model.generate`` with the same sampling;
- a GPT-2 of the same number of parameters in transformers, with its cache (random weights: speed does not know);
- the report's way: the whole prefix read again for each character, the likeliest taken;
- the floor by memory traffic: a step must read every weight but the unused rows of the embedding once, at the
  bandwidth measured on a matrix as large.

Every way writes as many characters. In turns, round by round; the ratio is the median over the rounds of that to the
bare loop with as many rows in the same round. A poem under tonal rules is by default the best of many, written side by
side, line by line: so many rows, and the bare loop it is held against has as many a poem.
"""

from __future__ import annotations

import argparse
import json
import statistics
import time
from collections.abc import Callable

import torch
from torch.nn import functional as F
from transformers import GPT2Config, GPT2LMHeadModel
from transformers.utils import logging

from benchmarks import machine
from tang_rnn import TangPoet
from tang_rnn.cells import CELLS
from tang_rnn.rules import Rules
from tang_rnn.writing.choice import default_candidates
from tang_rnn.writing.search import LARGEST_BATCH

STEPS = 32  # 七绝 behind 春: 27 characters, 4 marks, the end
PROMPT = ("<七绝>", "春")
MANY = default_candidates(Rules(form="七绝", regulated=True))
TOP_K, TOP_P, TEMPERATURE = 64, 0.9, 0.8  # those of Sampling


@torch.inference_mode()
def bare(poet: TangPoet, rows: int) -> None:
    """The loop itself."""
    model, step = poet.model, CELLS[poet.cell].single
    embedding, output, projection = model.model.embed_tokens.weight, model.lm_head.weight, model.model.projection
    cells = [layer.cell for layer in model.model.layers]
    weights = [(cell.weight_ih_l0, cell.weight_hh_l0, cell.bias_ih_l0, cell.bias_hh_l0) for cell in cells]
    zeros = torch.zeros(rows, model.config.hidden_size)
    several = len(CELLS[poet.cell].states) > 1  # torch's own steps take one state bare, several as a tuple
    states = [(zeros,) * len(CELLS[poet.cell].states) if several else zeros for _ in cells]
    prompt = poet.tokenizer(*PROMPT).input_ids
    token = torch.zeros(rows, dtype=torch.long)
    for number in range(len(prompt) + STEPS - 1):
        x = embedding[token.fill_(prompt[number]) if number < len(prompt) else token]
        for layer, weight in enumerate(weights):
            states[layer] = step(x, states[layer], *weight)
            x = states[layer][0] if several else states[layer]
        if number >= len(prompt) - 1:
            logits = F.linear(F.linear(x, projection.weight, projection.bias), output)
            best, tokens = logits.topk(TOP_K)
            token = tokens.gather(1, torch.multinomial((best / TEMPERATURE).softmax(1), 1))[:, 0]


def generate(model, poet: TangPoet, rows: int) -> None:
    """transformers' own loop."""
    ids = torch.tensor([poet.tokenizer(*PROMPT).input_ids]).expand(rows, -1)
    options = dict(do_sample=True, top_k=TOP_K, top_p=TOP_P, temperature=TEMPERATURE, suppress_tokens=None)
    options |= dict(min_new_tokens=STEPS, max_new_tokens=STEPS, use_cache=True)
    ends = dict(pad_token_id=poet.tokenizer.pad_token_id, eos_token_id=poet.tokenizer.eos_token_id)
    with torch.inference_mode():
        model.generate(ids, attention_mask=torch.ones_like(ids), **options, **ends)


@torch.inference_mode()
def again(poet: TangPoet, rows: int) -> None:
    """The report's way."""
    ids = torch.tensor([poet.tokenizer(*PROMPT).input_ids]).expand(rows, -1)
    for _ in range(STEPS):
        logits = poet.model(ids, use_cache=False).logits[:, -1]
        ids = torch.cat([ids, logits.argmax(1, keepdim=True)], 1)


def equal_gpt2(poet: TangPoet) -> GPT2LMHeadModel:
    """A GPT-2 as near in parameters as its width allows."""
    wanted = poet.recurrence.num_parameters

    def config(width: int) -> GPT2Config:
        sizes = dict(vocab_size=len(poet.tokenizer), n_positions=128, n_embd=width, n_layer=4, n_head=4)
        return GPT2Config(**sizes, bos_token_id=poet.tokenizer.bos_token_id, eos_token_id=poet.tokenizer.eos_token_id)

    def parameters(width: int) -> int:
        with torch.device("meta"):
            return GPT2LMHeadModel(config(width)).num_parameters()

    return GPT2LMHeadModel(config(min(range(32, 1025, 16), key=lambda width: abs(parameters(width) - wanted)))).eval()


def floor(poet: TangPoet) -> tuple[float, float, float]:
    """Bytes that a step must read, the bandwidth in bytes a second, and so the seconds of a poem."""
    weights = poet.recurrence
    unused = 0 if poet.model.config.tie_word_embeddings else weights.embedding.numel()
    size = 4 * (weights.num_parameters - unused)
    matrix, vector = torch.ones(size // 4096, 1024), torch.ones(1024)
    times = []
    for _ in range(200):
        begin = time.perf_counter()
        torch.mv(matrix, vector)
        times.append(time.perf_counter() - begin)
    bandwidth = matrix.numel() * 4 / statistics.median(times[20:])
    return size, bandwidth, STEPS * size / bandwidth


def measure(poet: TangPoet, gpt2: GPT2LMHeadModel, poems: int, rounds: int) -> list[dict]:
    """A row for each way of writing so many poems at once."""
    calls = iter(range(10**6))

    def write(**options) -> None:
        poet.write(["春"] * poems, form="七绝", seed=64 * next(calls), **options)

    def portions(rows: int) -> None:  # a poet writes no more at once
        for first in range(0, rows, LARGEST_BATCH):
            bare(poet, min(LARGEST_BATCH, rows - first))

    ways: dict[str, tuple[int, Callable[[], None]]] = {
        "bare loop": (1, lambda: bare(poet, poems)),
        "write, free": (1, lambda: write()),
        "write, regulated, one candidate": (1, lambda: write(regulated=True, candidates=1)),
        f"bare loop, {MANY} rows a poem": (MANY, lambda: portions(MANY * poems)),
        f"write, regulated, best of {MANY}": (MANY, lambda: write(regulated=True)),
        "generate": (1, lambda: generate(poet.model, poet, poems)),
        "equal GPT-2, generate": (1, lambda: generate(gpt2, poet, poems)),
        "prefix again": (1, lambda: again(poet, poems)),
    }
    if poems > 32:  # takes minutes, and says what smaller batches say
        del ways["prefix again"]
    times: dict[str, list[float]] = {name: [] for name in ways}
    for number in range(rounds + 1):
        for name, (_, way) in ways.items():
            begin = time.perf_counter()
            way()
            if number:  # the first round warms up
                times[name].append(time.perf_counter() - begin)
    loops = {1: times["bare loop"], MANY: times[f"bare loop, {MANY} rows a poem"]}
    return [
        {
            "poems": poems,
            "way": name,
            "rows": rows * poems,
            "ms": statistics.median(times[name]) * 1e3,
            "poems_per_second": poems / statistics.median(times[name]),
            "ratio": statistics.median(own / loop for own, loop in zip(times[name], loops[rows])),
        }
        for name, (rows, _) in ways.items()
    ]


def main(argv: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(prog="benchmarks.generate", description=__doc__.splitlines()[0])
    parser.add_argument("--cell", default="lstm", help="rnn, lstm, gru, or a folder")
    parser.add_argument("--batches", type=int, nargs="+", default=[1, 16, 64], help="poems at once")
    parser.add_argument("--rounds", type=int, default=9)
    parser.add_argument("--json", action="store_true")
    arguments = parser.parse_args(argv)
    logging.disable_progress_bar()
    poet = TangPoet.from_pretrained(arguments.cell)
    gpt2 = equal_gpt2(poet)
    size, bandwidth, seconds = floor(poet)
    result = {
        "machine": machine() | {"threads": torch.get_num_threads()},
        "cell": poet.cell,
        "parameters": poet.recurrence.num_parameters,
        "gpt2_parameters": gpt2.num_parameters(),
        "floor": {"bytes_a_step": size, "bytes_a_second": bandwidth, "ms": seconds * 1e3},
        "rows": [row for poems in arguments.batches for row in measure(poet, gpt2, poems, arguments.rounds)],
    }
    if arguments.json:
        print(json.dumps(result))
        return
    print(", ".join(f"{name} {value}" for name, value in result["machine"].items()))
    print(f"{poet.cell}: {result['parameters']:,} parameters; the GPT-2: {result['gpt2_parameters']:,}")
    print(
        f"floor of one poem by memory traffic: {seconds * 1e3:.1f} ms "
        f"({size / 1e6:.1f} MB a step at {bandwidth / 1e9:.1f} GB/s, {STEPS} steps)"
    )
    print(f"{'poems':>6}  {'':34}{'ms':>9}{'poems/s':>10}{'to the bare loop':>18}")
    for row in result["rows"]:
        print(f"{row['poems']:6}  {row['way']:34}{row['ms']:9.1f}{row['poems_per_second']:10.1f}{row['ratio']:18.2f}")


if __name__ == "__main__":
    main()

"""How fast training is, and where a step's time goes: ``python -m benchmarks.train [--cell lstm] [--json]``.

The same steps of one configuration (forward, backward, optimizer) as they are, then with each thing undone that makes
them fast, down to the report's loop over single poems; in turns, medians over the rounds. Then a step taken apart. What
a part does in matrix products is held against the machine's own rate, measured in the same rounds on square matrices in
the dtype that the configuration computes in.
"""

from __future__ import annotations

import argparse
import json
import statistics
import time
from collections.abc import Callable

import torch
from datasets.utils.logging import disable_progress_bar
from torch import nn
from torch.utils.flop_counter import FlopCounterMode

from benchmarks import machine
from benchmarks.peers import CELLS, Ours, Report
from tang_rnn.modeling_tang_rnn import LinearCrossEntropy, sampled_classes
from training.configuration import in_bfloat16
from training.data import IGNORED, encode
from training.loading import load_corpus
from training.vocabulary import build_tokenizer

SIZE = 1024  # of the square matrices


def seconds(work: Callable[[], object]) -> float:
    # One thread computes without waiting for anything: its processor time is what it would take on a quiet machine.
    clock = time.process_time if torch.get_num_threads() == 1 else time.perf_counter
    begin = clock()
    work()
    return clock() - begin


def step(peer, rows: list[int], backward: Callable[[list[int]], None] | None = None) -> None:
    """As training does it."""
    peer.optimizer.zero_grad()
    (backward or peer.backward)(rows)
    nn.utils.clip_grad_norm_(peer.parameters(), peer.clip)
    peer.optimizer.step()


def characters(peer, rows: list[int]) -> int:
    """What the loss counts: the poems, their marks and ends, as far as training reads them."""
    longest = peer.collate.max_length if isinstance(peer, Ours) else 10**6
    return sum(min(len(peer.train_set[row]["text"]) + 1, longest) for row in rows)


def ways(peer: Ours, report: Report, batches: list[list[int]]) -> dict[str, tuple[Callable[[], None], int]]:
    """What to run for each way of training, and how many characters that is."""
    order = iter(torch.randperm(len(peer.train_set), generator=torch.Generator().manual_seed(0)).tolist())
    mixed = [[next(order) for _ in rows] for rows in batches]
    hundred = [next(order) for _ in range(100)]
    settings, trainer = peer.model.config, peer.config["trainer"]
    samples, bf16 = settings.output_samples, trainer.get("bf16", False)

    def run(rows_of_steps, output_samples=samples, products_bf16=bf16, single=False):
        settings.output_samples, trainer["bf16"] = output_samples, products_bf16
        for rows in rows_of_steps:
            step(peer, rows, (lambda rows: [peer.backward([row]) for row in rows]) if single else None)
        settings.output_samples, trainer["bf16"] = samples, bf16

    total, total_mixed = (sum(characters(peer, rows) for rows in each) for each in (batches, mixed))
    return {
        "as configured": (lambda: run(batches), total),
        "softmax over the whole vocabulary": (lambda: run(batches, 0), total),
        "… products in float32": (lambda: run(batches, 0, False), total),
        "… as many poems of any length, padded": (lambda: run(mixed, 0, False), total_mixed),
        "… the same poems one by one": (lambda: run(batches, 0, False, True), total),
        "the report's own network and loop": (lambda: step(report, hundred), characters(report, hundred)),
    }


def parts(peer: Ours, rows: list[int]) -> dict[str, Callable[[], object]]:
    """The parts of a step, each to be run by itself."""
    model, config = peer.model, peer.model.config
    batch = peer.collate([peer.train_set[row] for row in rows])
    labels = batch["labels"][:, 1:]
    labels = labels[labels.ne(IGNORED)]
    hidden = torch.randn(len(labels), config.embedding_size, requires_grad=True)
    inputs = [
        torch.randn(*batch["input_ids"].shape, layer.cell.input_size, requires_grad=True)
        for layer in model.model.layers
    ]

    gradient = torch.randn(*batch["input_ids"].shape, config.hidden_size)

    def recurrence():
        for layer, x in zip(model.model.layers, inputs):
            with peer.autocast():
                output = layer(x, None)[0]
            output.backward(gradient.to(output.dtype))

    def output_layer():
        weight, offset, wanted = model.lm_head.weight, None, labels
        with peer.autocast():
            if 0 < config.output_samples < len(weight):
                classes, offset, wanted = sampled_classes(labels, len(weight), config.output_samples)
                weight = weight[classes]
            loss = LinearCrossEntropy.apply(hidden, weight, offset, wanted)
        loss.backward()

    optimizers = getattr(peer.optimizer, "parts", (peer.optimizer,))
    return {
        "data": lambda: peer.collate([peer.train_set[row] for row in rows]),
        "recurrent layers": recurrence,
        "output layer": output_layer,
        "clipping": lambda: nn.utils.clip_grad_norm_(peer.parameters(), peer.clip),
    } | {f"optimizer, {type(part).__name__}": part.step for part in optimizers}


def products(peer: Ours, rows: list[int], work: Callable[[], object], recurrent: bool) -> float:
    """Floating point operations of the matrix products in a piece of work, with or without the recurrent layers."""
    with FlopCounterMode(display=False) as counter:
        work()
    flops = counter.get_total_flops()
    if recurrent:  # inside one call of oneDNN, so counted here: forward, backward by the input and by the weights
        positions = peer.collate([peer.train_set[row] for row in rows])["input_ids"].numel()
        flops += 6 * positions * sum(p.numel() for p in peer.model.model.layers.parameters() if p.ndim == 2)
    return flops


def measure(cell: str, steps: int, rounds: int) -> dict:
    corpus = load_corpus("training/corpus")
    tokenizer = build_tokenizer(corpus["train"])
    train_set = encode(corpus["train"].select(range(4000)), tokenizer)
    peer, report = Ours(tokenizer, train_set, cell).train(), Report(tokenizer, train_set).train()
    for system in (peer, report):  # the weights stay: parts run by themselves would lead them nowhere
        for group in system.optimizer.param_groups:
            group["lr"] = 0.0
    batches = [rows for rows, _ in zip(peer.batches(0), range(steps))]
    dtype = torch.bfloat16 if in_bfloat16(peer.config["trainer"]) else torch.float32
    square = torch.randn(SIZE, SIZE).to(dtype)
    pieces = [parts(peer, rows) for rows in batches]
    names = list(pieces[0])
    options = ways(peer, report, batches)
    counts = {name: count for name, (_, count) in options.items()}
    work = {name: run for name, (run, _) in options.items()}
    work["square"] = lambda: [square @ square for _ in range(8)]
    work |= {name: lambda name=name: [piece[name]() for piece in pieces] for name in names}
    times: dict[str, list[float]] = {name: [] for name in work}
    for number in range(rounds + 1):
        for name, run in work.items():
            if number:  # the first round warms up
                times[name].append(seconds(run))
            else:
                run()
    taken = {name: statistics.median(values) for name, values in times.items()}
    rate = 8 * 2 * SIZE**3 / taken["square"]
    whole = taken["as configured"]
    flops = {
        name: sum(products(peer, rows, piece[name], name == "recurrent layers") for rows, piece in zip(batches, pieces))
        for name in names
    }
    flops_whole = sum(products(peer, rows, lambda rows=rows: step(peer, rows), True) for rows in batches)
    flops["the rest"] = flops_whole - sum(flops.values())
    taken["the rest"] = whole - sum(taken[name] for name in names)

    def share(operations: float, duration: float) -> float:
        return operations / duration / rate

    return {
        "cell": cell,
        "dtype": str(dtype).removeprefix("torch."),
        "matrix_gflops": rate / 1e9,
        "characters_per_second": counts["as configured"] / whole,
        "matrix_share": share(flops_whole, whole),
        "ways": [
            {
                "way": name,
                "characters_per_second": count / taken[name],
                # in each round against the same round's
                "times_slower": statistics.median(
                    (slow / count) / (fast / counts["as configured"])
                    for slow, fast in zip(times[name], times["as configured"])
                ),
            }
            for name, count in counts.items()
        ],
        "parts": [
            {
                "part": name,
                "ms_a_step": taken[name] / len(batches) * 1e3,
                "time_share": taken[name] / whole,
                "gflop_a_step": operations / len(batches) / 1e9,
                "matrix_share": share(operations, taken[name]),
            }
            for name, operations in flops.items()
        ],
    }


def main(argv: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(prog="benchmarks.train", description=__doc__.splitlines()[0])
    parser.add_argument("--cell", default="lstm", choices=CELLS)
    parser.add_argument("--steps", type=int, default=6, help="batches in a round")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--json", action="store_true")
    arguments = parser.parse_args(argv)
    disable_progress_bar()
    where = machine() | {"threads": torch.get_num_threads()}
    result = {"machine": where} | measure(arguments.cell, arguments.steps, arguments.rounds)
    if arguments.json:
        print(json.dumps(result))
        return
    print(", ".join(f"{name} {value}" for name, value in where.items()))
    print(
        f"{result['cell']}: {result['characters_per_second']:,.0f} characters a second, its matrix products at "
        f"{result['matrix_share']:.0%} of {result['matrix_gflops']:.0f} Gflop/s ({result['dtype']})\n"
    )
    print(f"{'':42}{'characters/s':>14}{'times slower':>14}")
    for row in result["ways"]:
        print(f"{row['way']:42}{row['characters_per_second']:14,.0f}{row['times_slower']:14.2f}")
    print(f"\n{'of a step':24}{'ms':>8}{'share':>8}{'Gflop':>8}{'of the matrix rate':>20}")
    for row in result["parts"]:
        print(
            f"{row['part']:24}{row['ms_a_step']:8.1f}{row['time_share']:8.0%}{row['gflop_a_step']:8.1f}"
            + (f"{row['matrix_share']:20.0%}" if row["gflop_a_step"] and row["ms_a_step"] > 0 else "")
        )


if __name__ == "__main__":
    main()

"""What the rules cost: ``python -m benchmarks.rules [--json]``.

Writes the same batch of quatrains with plain ``generate``, sampling, once without any rule and once with all of them
(form, tones, rhyme, acrostic, no repetition), in turns, and prints the time of a step and the ratio. Medians over the
rounds of one run: a ratio carries over to other machines, a time does not. Then how much less likely poems become
under tonal rules, in nats a character: what the model would have liked to write and may not.
"""

from __future__ import annotations

import argparse
import json
import statistics
import time

import torch

from tang_rnn import Rules, TangPoet, VerseConstraint

STEPS = 32  # 七绝: 28 characters, 4 marks
RULES = Rules(form="七绝", regulated=True, acrostic="春夏秋冬", no_repeat=40)


def seconds_per_step(poet: TangPoet, batch: int, constrained: bool) -> float:
    """One run of `generate` over STEPS characters for `batch` rows."""
    inputs = poet.tokenizer(["<七绝>"], [""], return_tensors="pt")  # lists: a lone empty string would be no pair
    inputs = {name: inputs[name].expand(batch, -1) for name in ("input_ids", "attention_mask")}
    processors = [VerseConstraint(RULES, poet.tokenizer)] if constrained else []
    begin = time.perf_counter()
    with torch.inference_mode():
        poet.model.generate(
            **inputs, logits_processor=processors, min_new_tokens=STEPS, max_new_tokens=STEPS, do_sample=True
        )
    return (time.perf_counter() - begin) / STEPS


def measure(cell: str, batches: list[int], rounds: int) -> list[dict]:
    """A row for each batch size."""
    poet = TangPoet.from_pretrained(cell)
    VerseConstraint(RULES, poet.tokenizer)  # the tables of a vocabulary are made once
    rows = []
    for batch in batches:
        times: dict[bool, list[float]] = {False: [], True: []}
        for number in range(rounds + 1):
            for constrained, values in times.items():
                value = seconds_per_step(poet, batch, constrained)
                if number:  # the first round warms up
                    values.append(value)
        free, ruled = (statistics.median(times[key]) for key in (False, True))
        ratio = statistics.median(b / a for a, b in zip(times[False], times[True]))
        rows.append({"cell": cell, "batch": batch, "free_ms": free * 1e3, "ruled_ms": ruled * 1e3, "ratio": ratio})
    return rows


def nats(cell: str, regulated: bool, poems: int) -> float:
    """The mean loss of quatrains and octaves drawn by fixed seeds, a single candidate each, marks and end included."""
    poet = TangPoet.from_pretrained(cell)
    written = [
        poem
        for form in ("五绝", "七绝", "五律", "七律")
        for poem in poet.write([""], form=form, regulated=regulated, count=poems, candidates=1, seed=0)
    ]
    return -sum(poem.log_prob for poem in written) / sum(poem.characters for poem in written)


def main(argv: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(prog="benchmarks.rules", description=__doc__.splitlines()[0])
    parser.add_argument("--cell", default="lstm")
    parser.add_argument("--batches", type=int, nargs="+", default=[1, 16, 256])
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--poems", type=int, default=100, help="poems of each form for the loss")
    parser.add_argument("--json", action="store_true")
    arguments = parser.parse_args(argv)
    rows = measure(arguments.cell, arguments.batches, arguments.rounds)
    free, ruled = (nats(arguments.cell, regulated, arguments.poems) for regulated in (False, True))
    if arguments.json:
        print(json.dumps({"steps": rows, "free_nats": free, "ruled_nats": ruled}))
        return
    print(f"{'batch':>6}{'free, ms a step':>18}{'all rules':>12}{'ratio':>8}")
    for row in rows:
        print(f"{row['batch']:6}{row['free_ms']:18.2f}{row['ruled_ms']:12.2f}{row['ratio']:8.2f}")
    print(f"nats a character: {free:.3f} by form alone, {ruled:.3f} with tones and rhyme, {ruled - free:+.3f}")


if __name__ == "__main__":
    main()

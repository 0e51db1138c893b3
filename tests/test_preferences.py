"""What readers liked becomes likelier, and the rest stays what it was."""

import json

import pytest
import torch
from datasets import Dataset

from tang_rnn import TangPoet
from tang_rnn.rules.vocabulary import Vocabulary
from tang_rnn.verse.forms import FORMS
from training import preferences
from training.data import encode
from training.grading import Graded
from training.lines import Lines, batches, read_last, read_lines
from training.preferences import (
    Settings,
    divergence,
    divergence_together,
    learn,
    liked,
    main,
    out_of_rhyme,
    rhymes,
    undropped,
)

QUATRAIN = ("白日依山尽", "黄河入海流", "欲穷千里目", "更上一层楼")
POEMS = [
    Graded("五绝", ("山色无人见", "溪声入夜闻", "孤舟何处客", "独宿楚江云"), (3, 3, 3, 3), "F"),
    Graded("五绝", ("云天长不有", "水树一人声", "月是山中去", "风花又得名"), (0, 0, 0, 0), "X"),
]
REAL = Dataset.from_list(
    [
        {
            "text": "白日依山尽，黄河入海流。欲穷千里目，更上一层楼。",
            "form": "五绝",
            "poet": "王之涣",
            "title": "登鹳雀楼",
        }
    ]
)


def likely(poet: TangPoet) -> torch.Tensor:
    """Of the two graded poems and the real one: nats, (3,)."""
    with torch.no_grad():
        poems = [*(poem.lines for poem in POEMS), QUATRAIN]
        return read_lines(poet.model, poet.tokenizer, "五绝", poems).likely.sum((1, 2))


def test_what_was_liked_becomes_likelier_and_the_other_less():
    poet = TangPoet.from_pretrained("rnn")
    before, settings = likely(poet), Settings(epochs=20, learning_rate=1e-4, lines=8)
    told = list(learn(poet, POEMS, encode(REAL, poet.tokenizer), settings))
    gained = likely(poet) - before
    assert gained[0] > 0.5 and gained[1] < -0.5, gained
    assert abs(gained[2]) < gained[0], "a real poem stays about as likely as it was"
    assert len(told) == 20 and not poet.model.training
    again = TangPoet.from_pretrained("rnn")
    assert list(learn(again, POEMS, encode(REAL, again.tokenizer), settings)) == told
    torch.testing.assert_close(likely(again) - before, gained)  # by seed


def lines(logits: torch.Tensor) -> Lines:
    log_probs = logits.log_softmax(-1)
    return Lines(log_probs, log_probs[..., 0], torch.zeros(*log_probs.shape[:3], 1))


def test_the_losses_are_what_they_are_said_to_be():
    logits = torch.randn(2, 4, 6, 9, generator=torch.Generator().manual_seed(0))
    before, other = lines(logits), logits.clone().requires_grad_()
    now, grades = lines(other), torch.tensor([[3.0, 3, 1, 1], [2, 2, 2, 2]])
    loss = liked(now, before, grades - 2.0, beta=0.5)
    (way,) = torch.autograd.grad(loss, other)
    assert (way[0, :2, :, 0] < 0).all() and (way[0, 2:, :, 0] > 0).all() and not way[1].any(), "a mean line is let be"
    was, moved = before.log_probs, lines(logits.roll(1, 0)).log_probs
    assert divergence(was, was) == 0 and divergence_together(was, was) == 0
    assert divergence(moved, was) > 0.1
    assert abs(divergence_together(moved, was)) < 1e-6, "the same characters at other places"


def test_last_lines_read_behind_a_beginning_read_once_are_as_if_each_poem_were_read_whole():
    poet = TangPoet.from_pretrained("lstm")
    *before, line = QUATRAIN
    poems = [(*before, line), (*before, "独宿楚江云"), (*POEMS[0].lines[:3], "独宿楚江云")]
    whole, last = (read(poet.model, poet.tokenizer, "五绝", poems) for read in (read_lines, read_last))
    for one, other in zip(whole, last):
        torch.testing.assert_close(one[:, -1:], other, rtol=1e-4, atol=1e-4)
    ways = [torch.autograd.grad(of.likely[:, -1].sum(), poet.model.lm_head.weight)[0] for of in (whole, last)]
    torch.testing.assert_close(*ways, rtol=1e-3, atol=1e-4)  # it learns as much from the beginning


def test_what_rhymes_is_learned_where_a_line_must_rhyme():
    poet = TangPoet.from_pretrained("rnn")
    vocabulary = Vocabulary(poet.tokenizer)
    groups = rhymes(vocabulary, [QUATRAIN, POEMS[0].lines])
    assert (groups[:, :3] == 0).all(), "a second line sets the rhyme, and odd ones need none"
    fitting = [char for char, of in zip(vocabulary.tokens, vocabulary.groups.tolist()) if of & int(groups[0, 3])]
    assert "楼" in fitting and "秋" in fitting and "云" not in fitting and "目" not in fitting
    now = read_lines(poet.model, poet.tokenizer, "五绝", [QUATRAIN])
    of = vocabulary.groups[: now.log_probs.shape[-1]]
    told = out_of_rhyme(now, groups[:1], of)
    mass = now.log_probs[0, 3, 4, poet.tokenizer.convert_tokens_to_ids(fitting)].exp().sum()
    torch.testing.assert_close(told, -mass.log())
    assert out_of_rhyme(now, groups[:1, :3], of) == 0


def test_nothing_is_dropped_while_a_cell_is_weighed_against_what_it_was():
    poet = TangPoet.from_pretrained("gru")
    config, model = poet.model.config, poet.model.train()
    shares = config.input_dropout, model.model.layers[0].recurrent_dropout
    assert min(shares) > 0
    with undropped(model):
        one, other = (read_lines(model, poet.tokenizer, "五绝", [QUATRAIN]).likely for _ in range(2))
    assert torch.equal(one, other) and (config.input_dropout, model.model.layers[0].recurrent_dropout) == shares


def test_a_batch_holds_poems_of_one_form_and_all_come_once():
    forms = ["五绝", "七律", "五绝", "五绝", "七律"]
    found = list(batches([(form, FORMS[form].num_lines) for form in forms], lines=8))
    assert found == [[0, 2], [3], [1], [4]]


def test_the_command_writes_a_checkpoint_and_says_what_is_missing(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(preferences, "read_grades", lambda: POEMS)
    monkeypatch.setattr(preferences, "load_corpus", lambda _: {"train": REAL})
    assert main(["rnn", "--output", str(tmp_path), "--epochs", "1"]) == 0
    assert "grading fit" in capsys.readouterr().out
    log = json.loads((tmp_path / "rnn" / "training_log.json").read_text())
    told = log["preferences"]
    assert (told["poems"], told["lines"]) == (2, 8) and log["parameters"], "its card tells both"
    assert told["judged"] > 2, "what it had learned before is told still"
    assert TangPoet.from_pretrained(str(tmp_path / "rnn")).write("春", seed=1).text.startswith("春")
    monkeypatch.setattr(preferences, "read_grades", lambda: [])
    assert main(["rnn", "--output", str(tmp_path)]) == 2
    assert "no grades to learn from" in capsys.readouterr().err


@pytest.mark.parametrize("argument", [["--epochs", "0"], ["--lines", "-1"], ["--learning-rate", "0"]])
def test_settings_that_learn_nothing_are_refused(argument, tmp_path, capsys):
    assert main(["rnn", "--output", str(tmp_path), *argument]) == 2
    err = capsys.readouterr().err
    assert argument[0] in err and "Traceback" not in err

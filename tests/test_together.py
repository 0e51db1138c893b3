"""Poems written side by side for several callers are each caller's own."""

import threading

import pytest

from tang_rnn import PoetError, TangPoet
from tang_rnn.writing.together import Together

ASKED = [
    ("春", {"form": "五绝", "regulated": True}),
    ("月", {"form": "七绝", "regulated": False}),
    ("山", {"form": "五律", "regulated": True, "rhyme_book": "中华新韵"}),
    ("", {"form": None}),
    ("秋", {"form": "五绝", "regulated": True, "temperature": 0.6}),
    ("江", {"form": "七律", "regulated": True}),
]


@pytest.fixture(scope="module")
def poet():
    return TangPoet.from_pretrained("lstm")


class Held:
    """A poet whose first batch waits, so that all calls after it stand together; `batches` are their sizes."""

    def __init__(self, poet, monkeypatch):
        self.begun, self.go, self.batches = threading.Event(), threading.Event(), []
        write_all = poet.write_all

        def held(requests, *rest):
            self.batches.append(len(requests))
            self.begun.set()
            assert self.go.wait(60)
            return write_all(requests, *rest)

        monkeypatch.setattr(poet, "write_all", held)


def test_each_gets_the_poem_of_his_seed(poet, monkeypatch):
    expected = [poet.write(opening, seed=seed, **how).text for opening, how in ASKED for seed in (1, 2)]
    held, together = Held(poet, monkeypatch), Together(poet)
    first = together.ask("云", form="五绝", seed=0)
    assert held.begun.wait(60)
    calls = [together.ask(opening, seed=seed, **how) for opening, how in ASKED for seed in (1, 2)]
    held.go.set()
    assert [call.result(60).text for call in calls] == expected and first.result(60).text.startswith("云")
    # The two of 七绝 and the two without a form; four of 平水韵; two of another book, two of another temperature.
    assert sorted(held.batches) == [1, 2, 2, 4, 4]


def test_a_batch_has_room_for_so_many_rows(poet, monkeypatch):
    held, together = Held(poet, monkeypatch), Together(poet, rows=40)
    calls = [together.ask("云", form="五绝", regulated=True, seed=0)]
    assert held.begun.wait(60)
    calls += [together.ask("云", form="五绝", regulated=True, seed=seed) for seed in range(5)]
    held.go.set()
    texts = [call.result(60).text for call in calls]
    assert texts[0] == texts[1] and len(set(texts)) == 5 and held.batches == [1, 2, 2, 1]


def test_lines_are_told_as_they_come(poet):
    told = []
    poem = Together(poet).ask("春", told.append, form="五绝", seed=7).result(60)
    assert poem.text == poet.write("春", form="五绝", seed=7).text
    assert told == [poem.text[:end] for end in (6, 12, 18, 24)]


def test_who_has_left_is_not_written_for(poet, monkeypatch):
    held, together = Held(poet, monkeypatch), Together(poet)
    first = together.ask("云", form="五绝", seed=0)
    assert held.begun.wait(60)
    left, stays = (together.ask("云", form="五绝", seed=seed) for seed in (1, 2))
    assert left.cancel()
    held.go.set()
    assert first.result(60) and stays.result(60) and held.batches == [1, 1]


def test_what_cannot_be_is_said_at_once_and_what_goes_wrong_is_his_alone_for_whom_it_does(poet, monkeypatch):
    together = Together(poet)
    with pytest.raises(PoetError, match="x"):
        together.ask("春x", form="五绝")
    search = poet.search
    monkeypatch.setattr(
        poet, "search", lambda asked, *how: [1 / (each.seed - 1) for each in asked] and search(asked, *how)
    )
    held = Held(poet, monkeypatch)
    calls = [together.ask("云", form="五绝", seed=0)]
    assert held.begun.wait(60)
    calls += [together.ask("云", form="五绝", seed=seed) for seed in (1, 2)]
    held.go.set()
    assert isinstance(calls[1].exception(60), ZeroDivisionError)
    assert calls[0].result(60) and calls[2].result(60)
    assert together.ask("云", form="五绝", seed=2).result(60) == calls[2].result()

"""Poems written side by side for several callers are each caller's own."""

import threading
import time
from types import SimpleNamespace

import pytest

from tang_rnn import PoetError, Rules, TangPoet
from tang_rnn.writing import together
from tang_rnn.writing.choice import default_candidates
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
        search = poet.search

        def held(requests, *rest):
            self.batches.append(len(requests))
            self.begun.set()
            assert self.go.wait(60)
            return search(requests, *rest)

        monkeypatch.setattr(poet, "search", held)


def asking(poet, **settings):
    """The function that asks a poet's only writer."""
    shared = Together(writers=1, **settings)
    return lambda opening, tell=None, caller="", **options: shared.ask(poet, opening, tell, caller, **options)


def test_each_gets_the_poem_of_his_seed(poet, monkeypatch):
    expected = [poet.write(opening, seed=seed, **how).text for opening, how in ASKED for seed in (1, 2)]
    held, ask = Held(poet, monkeypatch), asking(poet)
    first = ask("云", form="五绝", seed=0)
    assert held.begun.wait(60)
    calls = [ask(opening, seed=seed, **how) for opening, how in ASKED for seed in (1, 2)]
    held.go.set()
    assert [call.result(60).text for call in calls] == expected and first.result(60).text.startswith("云")
    # The two of 七绝 and the two without a form; two each of 五绝, 七律, another book and another temperature.
    assert sorted(held.batches) == [1, 2, 2, 2, 2, 4]


def test_a_batch_has_room_for_so_many_rows(poet, monkeypatch):
    rows = 5 * default_candidates(Rules(form="五绝", regulated=True)) // 2
    held, ask = Held(poet, monkeypatch), asking(poet, rows=rows)
    calls = [ask("云", form="五绝", regulated=True, seed=0)]
    assert held.begun.wait(60)
    calls += [ask("云", form="五绝", regulated=True, seed=seed) for seed in range(5)]
    held.go.set()
    texts = [call.result(60).text for call in calls]
    assert texts[0] == texts[1] and len(set(texts)) == 5 and held.batches == [1, 2, 2, 1]


def test_lines_are_told_as_they_come(poet):
    told = []
    poem = asking(poet)("春", told.append, form="五绝", seed=7).result(60)
    assert poem.text == poet.write("春", form="五绝", seed=7).text
    assert told == [poem.text[:end] for end in (6, 12, 18, 24)]


def test_who_has_left_is_not_written_for(poet, monkeypatch):
    held, ask = Held(poet, monkeypatch), asking(poet)
    first = ask("云", form="五绝", seed=0)
    assert held.begun.wait(60)
    left, stays = (ask("云", form="五绝", seed=seed) for seed in (1, 2))
    assert left.cancel()
    held.go.set()
    assert first.result(60) and stays.result(60) and held.batches == [1, 1]


def test_what_cannot_be_is_said_at_once_and_what_goes_wrong_is_his_alone_for_whom_it_does(poet, monkeypatch):
    ask = asking(poet)
    with pytest.raises(PoetError, match="x"):
        ask("春x", form="五绝")
    search = poet.search
    monkeypatch.setattr(
        poet, "search", lambda asked, *how: [1 / (each.seed - 1) for each in asked] and search(asked, *how)
    )
    held = Held(poet, monkeypatch)
    calls = [ask("云", form="五绝", seed=0)]
    assert held.begun.wait(60)
    calls += [ask("云", form="五绝", seed=seed) for seed in (1, 2)]
    held.go.set()
    assert isinstance(calls[1].exception(60), ZeroDivisionError)
    assert calls[0].result(60) and calls[2].result(60)
    assert ask("云", form="五绝", seed=2).result(60) == calls[2].result()


class Steps:
    """Lets a poet's batches write only as many characters as it is told to; knows of which seed each was."""

    def __init__(self, poet, monkeypatch):
        self.written, self.room, self.waits = [], threading.Semaphore(0), threading.Event()
        search = poet.search

        def counted(requests, *rest):
            found = search(requests, *rest)
            each_step = type(found).__iter__

            class Counted(type(found)):
                def __iter__(this):
                    for tokens in each_step(this):
                        self.written.append({request.seed for request in requests})
                        self.waits.set()
                        assert self.room.acquire(timeout=60)
                        self.waits.clear()
                        yield tokens

            found.__class__ = Counted
            return found

        monkeypatch.setattr(poet, "search", counted)

    def go_on(self) -> None:
        self.room.release(10**6)


def test_who_has_had_less_is_written_for_at_once(poet, monkeypatch):
    """A batch is laid aside in the middle for another caller's poem, and then written on to the same end."""
    expected = [poet.write("云", form="七律", seed=1).text, poet.write("云", form="五绝", seed=2).text]
    monkeypatch.setattr(together, "SLACK", 0.0)
    steps, ask = Steps(poet, monkeypatch), asking(poet)
    long = ask("云", caller="one", form="七律", seed=1)
    steps.room.release(9)
    while len(steps.written) < 10:
        assert steps.waits.wait(60)
    short = ask("云", caller="another", form="五绝", seed=2)
    steps.go_on()
    assert [long.result(60).text, short.result(60).text] == expected
    order = [seed for batch in steps.written for seed in batch]
    assert order.index(2) == 10 and order[-1] == 1, "begun within a step, and over before"


@pytest.mark.parametrize("told", [True, False])
def test_a_first_line_comes_before_the_rest_of_others_poems(poet, monkeypatch, told):
    """Even where its caller has had some more of late; what is told with its end only waits for its turn."""
    monkeypatch.setattr(together, "MEMORY", 1e9)
    steps, shared = Steps(poet, monkeypatch), Together(writers=1)
    had = {"one": 0.0, "another": (together.SLACK + together.AHEAD) / 2}
    monkeypatch.setattr(shared._shares, "of", lambda caller, now: had[caller])
    heard = []
    long = shared.ask(poet, "云", heard.append, "one", form="七律", seed=1)
    while not heard:  # its first line is over
        assert steps.waits.wait(60)
        steps.waits.clear()
        steps.room.release()
    begun = len(steps.written)
    short = shared.ask(poet, "云", heard.append if told else None, "another", form="五绝", seed=2)
    steps.go_on()
    assert long.result(60) and short.result(60)
    order = [seed for batch in steps.written for seed in batch]
    first_of_short = order.index(2)
    assert first_of_short <= begun + 1 if told else first_of_short == order.count(1)


def test_a_flood_takes_what_others_leave(poet, monkeypatch):
    """Of calls that wait, those of who has had less come first, and of each caller one before any has two."""
    steps, ask = Steps(poet, monkeypatch), asking(poet, rows=3)
    first = ask("云", caller="flood", form="五绝", seed=0)
    assert steps.waits.wait(60)
    calls = [ask("云", caller="flood", form="五绝", seed=seed) for seed in (1, 2, 3)]
    calls += [ask("云", caller="visitor", form="五绝", seed=4)]
    steps.go_on()
    assert all(call.result(60) for call in (first, *calls))
    batches = [batch for place, batch in enumerate(steps.written) if batch not in steps.written[:place]]
    assert batches[:2] == [{0}, {1, 2, 4}]
    monkeypatch.setattr(together, "SLACK", 0.0)
    steps.written.clear()
    calls = [ask("云", caller="flood", form="五绝", seed=5), ask("云", caller="newcomer", form="五绝", seed=6)]
    assert all(call.result(60) for call in calls)
    assert steps.written.index({6}) < 2


def test_who_leaves_in_the_middle_is_not_written_on_for(poet, monkeypatch):
    expected = poet.write("云", form="七律", seed=3).text
    steps, ask = Steps(poet, monkeypatch), asking(poet)
    alone = ask("云", form="七律", seed=1)
    assert steps.waits.wait(60)
    left, stays = (ask("云", form="七律", seed=seed) for seed in (2, 3))
    assert alone.cancel()
    steps.room.release(1)
    while {2, 3} not in steps.written:
        assert steps.waits.wait(60)
    assert left.cancel()
    steps.go_on()
    assert stays.result(60).text == expected
    assert steps.written.count({1}) == 1 and len(steps.written) < 70


def test_what_callers_have_had_is_forgotten():
    shares, call = together.Shares(), SimpleNamespace(caller="one")
    shares.add([call, call], 2.0, 0.0)
    assert shares.of("one", 0.0) == 2 and shares.of("one", together.MEMORY) < 1 and shares.of("another", 0.0) == 0
    shares.forget(100.0)
    assert not shares._had


def test_what_a_poem_takes_is_counted(poet, monkeypatch):
    """Of what is written side by side each has its part."""
    held, ask = Held(poet, monkeypatch), asking(poet)
    alone = ask("云", form="五绝", seed=0)
    assert held.begun.wait(60)
    calls = [ask("云", form="五绝", seed=seed) for seed in (1, 2, 3)]
    assert not any(call.seconds for call in calls)
    held.go.set()
    assert all(call.result(60) for call in (alone, *calls))
    assert held.batches == [1, 3] and alone.seconds > 0
    assert len({call.seconds for call in calls}) == 1 and calls[0].seconds > 0


def test_a_flood_waits_while_another_is_written_for(poet):
    """Not so who has had only a little more: no core is idle for that."""
    shared = Together(writers=0)  # nobody writes: whose turn it is, is asked here
    for caller, had in (("flood", 20.0), ("friend", 2.0), ("visitor", 0.0)):
        shared._shares.add([SimpleNamespace(caller=caller)], had, time.monotonic())

    def asks(caller):
        shared.ask(poet, "云", None, caller, form="五绝", seed=1)

    asks("flood")
    asks("visitor")
    visitors = shared._next()
    assert visitors.callers == {"visitor"} and shared._turn() is None
    asks("friend")
    friends = shared._next()
    assert friends.callers == {"friend"} and shared._turn() is None
    shared._in_hand.remove(visitors)
    assert shared._turn() is None, "the friend's is still being written"
    shared._in_hand.remove(friends)
    assert shared._next().callers == {"flood"}


def test_a_batch_has_so_many_of_one_caller(poet):
    shared = Together(writers=0)
    for seed in range(together.OF_ONE + 3):
        shared.ask(poet, "云", None, "one", form="五绝", seed=seed)
    shared.ask(poet, "云", None, "another", form="五绝", seed=1)
    first, second = shared._next(), shared._next()
    assert [len(first.calls), len(second.calls)] == [together.OF_ONE + 1, 3] and first.callers == {"one", "another"}

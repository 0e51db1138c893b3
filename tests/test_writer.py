"""The process that writes for the page: what is asked of it comes back, and what becomes of it when it ends."""

import os
import signal
import sys
import time
from concurrent.futures import ThreadPoolExecutor

import pytest

from tang_rnn import TangPoet
from tang_rnn.faults import Fault, PoetError

pytest.importorskip("gradio", reason="gradio is not installed; it comes with the extra demo")
import httpx  # noqa: E402
from page import load_app, serving  # noqa: E402

load_app()  # brings the page's modules within reach
Writer = sys.modules["page_writer"].Writer
ASKED = [("春", {"form": "五绝", "regulated": True}), ("月", {"form": "七绝"}), ("山", {"form": "五律"})]
LONG = {"form": "七律", "regulated": True, "include": "琵琶", "rhyme_words": "楼流秋舟愁"}


@pytest.fixture(scope="module")
def writer():
    found = Writer()
    yield found
    found.end()


def test_it_gives_the_poems_that_the_library_gives(writer):
    poet = TangPoet.from_pretrained("gru")
    calls = [writer.ask("gru", opening, None, "", seed=seed, **how) for opening, how in ASKED for seed in (1, 2)]
    poems = [poet.write(opening, seed=seed, **how) for opening, how in ASKED for seed in (1, 2)]
    assert [call.result(120) for call in calls] == [sys.modules["page_answers"].told(poem, "gru") for poem in poems]
    timed = writer.ask("gru", "春", None, "", timed=True, seed=1, **ASKED[0][1]).result(120)
    assert timed["milliseconds"] > 0 and timed | {"milliseconds": None} == calls[0].result()


def test_lines_are_told_and_what_cannot_be_is_a_fault(writer):
    told = []
    poem = writer.ask("gru", "春", told.append, "", form="五绝", seed=7).result(120)
    assert told == [poem["text"][:end] for end in (6, 12, 18, 24)]
    with pytest.raises(PoetError, match="x"):
        writer.ask("gru", "春x", None, "", form="五绝", seed=7).result(120)
    with pytest.raises(RuntimeError, match="TypeError"):  # a fault of this program is none of the caller's
        writer.ask(["gru"], "春", None, "", form="五绝", seed=7).result(120)


def test_who_leaves_is_forgotten(writer):
    left, stays = (writer.ask("gru", "春", None, "", seed=1, **LONG) for _ in range(2))
    assert left.cancel()
    assert "琵琶" in stays.result(120)["text"]
    deadline = time.monotonic() + 60
    while writer._calls:
        assert time.monotonic() < deadline
        time.sleep(0.02)


def test_who_leaves_in_the_middle_disturbs_nobody(writer):
    """Lines that are still told of a poem that was left, and callers who cannot be told any more."""

    def gone(text):
        raise RuntimeError("Event loop is closed")

    calls = [writer.ask("gru", "春", gone, "", form="七律", seed=seed) for seed in range(40)]
    for number, call in enumerate(calls):
        time.sleep(0.005)
        if number % 4:
            call.cancel()
    assert all(call.result(120) for call in calls if not call.cancelled())
    with pytest.raises(KeyError):
        writer._hear(10**6, "poem", {})
    writer._hear(10**6, "text", "春")


def test_when_it_ends_those_who_wait_are_told_and_it_is_begun_anew(writer):
    first = writer.ask("gru", "春", None, "", form="五绝", seed=7).result(120)
    calls = [writer.ask("gru", "春", None, "", seed=seed, **LONG) for seed in range(12)]
    pid = writer.pid
    os.kill(pid, signal.SIGKILL)
    for call in calls:
        with pytest.raises(Fault, match="ask again"):
            call.result(120)
    assert writer.ask("gru", "春", None, "", form="五绝", seed=7).result(120) == first
    assert writer.pid not in (None, pid)


def test_the_page_says_so_and_goes_on(monkeypatch):
    monkeypatch.setattr(load_app(), "WRITER", writer := Writer())
    with serving() as url, httpx.Client(base_url=f"{url}gradio_api/call/", timeout=120) as client:

        def poem(seed: int, form: str = "七律") -> str:
            data = {"data": ["春", "gru", form, True, "", "", "", 0.8, seed, "平水韵"]}
            event = client.post("write", json=data).raise_for_status().json()["event_id"]
            return client.get(f"write/{event}").text

        first = poem(1)
        assert "event: complete" in first
        with ThreadPoolExecutor(8) as pool:
            calls = [pool.submit(poem, seed) for seed in range(8)]
            while len(writer._calls) < 8:
                time.sleep(0.001)
            os.kill(writer.pid, signal.SIGKILL)
            answers = [call.result() for call in calls]
        assert all("event: error" in answer and "ask again" in answer for answer in answers)
        assert poem(1).split("data: ")[-1] == first.split("data: ")[-1]
    writer.end()

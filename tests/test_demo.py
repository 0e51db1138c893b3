"""The demo's endpoints as a program sees them, and what a stranger must not be able to do."""

import asyncio
import html
import json
import logging
import re
import socket
import sys
import threading
import time
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import ExitStack, suppress

import pytest

pytest.importorskip("gradio", reason="gradio is not installed; it comes with the extra demo")

import httpx  # noqa: E402
from gradio_client import Client  # noqa: E402
from gradio_client.exceptions import AppError  # noqa: E402
from page import APP, load_app, running, serving

from benchmarks import free_port  # noqa: E402
from tang_rnn import verse  # noqa: E402
from tang_rnn.faults import Fault  # noqa: E402
from tang_rnn.recurrence import Recurrence  # noqa: E402
from tang_rnn.words import languages  # noqa: E402

STATIC = APP.parent / "static"


@pytest.fixture(scope="module")
def url():
    with serving() as url:
        yield url


@pytest.fixture(scope="module")
def client(url):
    return Client(url, verbose=False, analytics_enabled=False)


# -- what each endpoint gives -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("regulated", [True, False])
@pytest.mark.parametrize("cell", ["lstm", "gru", "rnn"])
def test_write_streams_the_poem_of_the_seed(client, cell, regulated):
    arguments = dict(opening="春", cell=cell, form="五绝", regulated=regulated, seed=7)
    job = client.submit(**arguments, api_name="/write")
    *pieces, poem = list(job)
    assert re.fullmatch(r"(.{5}，.{5}。){2}", poem["text"]) and poem["text"].startswith("春")
    texts = [piece["text"] for piece in pieces if not piece["done"]]
    assert len(texts) == 4 and all(poem["text"].startswith(text) for text in texts)
    expected = load_app().poet_of(cell).write("春", form="五绝", regulated=regulated, temperature=0.8, seed=7)
    assert poem["text"] == expected.text and poem["seed"] == 7
    if regulated:
        assert verse.check(poem["text"]).ok and poem["prosody"]["violations"] == []


def test_write_without_a_seed_gives_another_poem(client):
    first, second = (client.predict("月", api_name="/write") for _ in range(2))
    assert first["text"] != second["text"]
    assert client.predict("月", seed=first["seed"], api_name="/write")["text"] == first["text"]


def test_write_takes_all_options(client):
    poem = client.predict("山", "gru", "七律", True, "一东", "李白", "送别", 1.0, 3, api_name="/write")
    assert re.fullmatch(r"(.{7}，.{7}。){4}", poem["text"])
    assert poem["prosody"]["rhyme_group"] == "一东" and (poem["poet"], poem["title"]) == ("李白", "送别")


def test_write_in_traditional_characters_and_without_form(client):
    assert client.predict("門", form="", seed=1, api_name="/write")["text"].startswith("门")


def test_compare_sets_three_cells_side_by_side(client):
    result = client.predict("秋", seed=5, api_name="/compare")
    assert [poem["cell"] for poem in result["poems"]] == ["rnn", "lstm", "gru"] and result["seed"] == 5
    for poem in result["poems"]:
        assert poem["text"].startswith("秋") and poem["milliseconds"] > 0 and poem["parameters"] > 10**6
        assert set(poem["judged_by"]) == {"rnn", "lstm", "gru"} and max(poem["judged_by"].values()) < 0
        assert poem["judged_by"][poem["cell"]] == pytest.approx(poem["per_character"], abs=1e-3)  # one measure


@pytest.mark.parametrize(
    ("phrase", "lines", "form"),
    [("李白", 4, "七绝"), ("春夏秋冬", 4, "七绝"), ("春江花月夜", 8, "七律"), ("一二三四五六七八九", 10, "七古")],
)
def test_acrostic_hides_the_phrase(client, phrase, lines, form):
    poem = client.predict(phrase, seed=1, api_name="/acrostic")
    assert "".join(line[0] for line in poem["lines"]).startswith(phrase)
    assert len(poem["lines"]) == lines and poem["form"] == form


def test_acrostic_at_the_ends_of_lines_of_five(client):
    poem = client.predict("山高水长", "gru", 5, True, False, seed=1, api_name="/acrostic")
    assert [line[-1] for line in poem["lines"]] == list("山高水长") and {len(line) for line in poem["lines"]} == {5}


def test_a_hand_is_laid_on_a_poem(client):
    text = "白日依山尽，黄河入海流。欲穷千里目，更上一层流。"  # 流 twice
    assert client.predict(text, api_name="/appraise")["prosody"]["violations"] == ["重韵"]
    found = client.predict(text, 4, 5, most=8, api_name="/alternatives")["alternatives"]
    assert len(found) == 8 and all(each["mends"] == ["重韵"] for each in found if not each["breaks"])
    for each in found:
        names = [fault.name for fault in verse.check(text[:-2] + each["text"] + "。").violations]
        assert names == [fault["name"] for fault in each["breaks"]]
    words = client.predict(text, 1, 1, characters=2, api_name="/alternatives")["alternatives"]
    assert {len(each["text"]) for each in words} == {2}
    poem = client.predict(text, fixed="4:5=楼 2:1=青", keep="1 3", seed=5, api_name="/revise")
    lines = verse.split_lines(text)
    assert [poem["lines"][0], poem["lines"][2]] == [lines[0], lines[2]]
    assert (poem["lines"][3][4], poem["lines"][1][0]) == ("楼", "青") and not poem["prosody"]["violations"]
    again = client.predict(text, fixed="4:5=楼 2:1=青", keep="1 3", seed=5, api_name="/revise")
    assert again["text"] == poem["text"]
    with pytest.raises(AppError, match="nothing|all of it"):
        client.predict(text, keep="1 2 3 4", api_name="/revise")


def test_check_judges(client):
    good = client.predict("白日依山尽，黄河入海流。欲穷千里目，更上一层楼。", api_name="/check")
    assert good["ok"] and good["rhyme_group"] == "十一尤" and good["lines"][0]["tones"] == "仄仄平平仄"
    assert not client.predict("白日依山尽，黄河入海去。欲穷千里目，更上一层楼。", api_name="/check")["ok"]


@pytest.mark.parametrize(
    ("cell", "gates"), [("rnn", []), ("gru", ["reset", "update"]), ("lstm", ["input", "forget", "output"])]
)
def test_inside_shows_gates_and_states(client, cell, gates):
    text = "床前明月光，疑是地上霜。"
    reading = client.predict(text, cell, api_name="/inside")
    assert reading["text"] == text and list(reading["gates"]) == gates and "h" in reading["states"]
    assert {len(row) for row in reading["states"]["h"]} == {len(text)} and len(reading["states"]["h"]) == 48
    assert all(0 < each["probability"] < 1 and len(each["alternatives"]) == 5 for each in reading["characters"])


# -- strangers --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("endpoint", "arguments", "said"),
    [
        ("/write", dict(opening="😀"), "does not know '😀'"),
        ("/write", dict(opening="Hello"), "does not know 'H'"),
        ("/write", dict(opening="<img src=x>"), "does not know '<'"),
        ("/write", dict(opening="春" * 10_000), "too long: 10000 characters, at most 16"),
        ("/write", dict(cell="transformer"), "cell must be one of"),
        ("/write", dict(cell={"a": 1}), "cell must be one of"),
        ("/write", dict(cell="../../etc"), "cell must be one of"),
        ("/write", dict(form="词"), "form must be one of"),
        ("/write", dict(opening=["春"]), "the opening must be text"),
        ("/write", dict(temperature=100), "temperature must be a number"),
        ("/write", dict(seed=-1), "seed must be a whole number"),
        ("/write", dict(seed="7"), "seed must be a whole number"),
        ("/write", dict(seed=1.5), "seed must be a whole number"),
        ("/write", dict(regulated="no"), "regulated must be true or false"),
        ("/write", dict(poet="<b>"), "does not know the poet '<b>'"),
        ("/write", dict(rhyme="zzz"), "no rhyme group 'zzz'"),
        ("/compare", dict(opening="a"), "does not know 'a'"),
        ("/acrostic", dict(phrase=""), "nothing to hide"),
        ("/acrostic", dict(phrase="，。 "), "nothing to hide"),
        ("/acrostic", dict(phrase="好" * 17), "too long: 17 characters, at most 16"),
        ("/acrostic", dict(phrase="x" * 10_000), "too long"),
        ("/acrostic", dict(phrase="春", line_length=6), "line_length must be one of"),
        ("/acrostic", dict(phrase="春", tail="no"), "tail must be true or false"),
        ("/check", dict(text=""), "no poem"),
        ("/check", dict(text="<script>alert(1)</script>"), "is not a Chinese character"),
        ("/check", dict(text="春" * 10_000), "too long"),
        ("/inside", dict(text=""), "no poem"),
        ("/inside", dict(text="abc"), "does not know 'a'"),
        ("/inside", dict(text="春", poet="q"), "does not know the poet 'q'"),
    ],
)
def test_what_cannot_be_done_is_said_in_words(client, endpoint, arguments, said):
    with pytest.raises(AppError, match=re.escape(said)) as caught:
        client.predict(**arguments, api_name=endpoint)
    assert "\n" not in str(caught.value) and "Traceback" not in str(caught.value)


def test_programs_get_key_and_fields(client, url):
    with pytest.raises(AppError) as caught:
        client.predict("春" * 17, api_name="/write")
    told = json.loads(caught.value.title)
    assert told == {"key": "too_long", "fields": {"name": "opening", "count": 17, "most": 16}}
    assert languages()["zh"]["faults"]["too_long"].count("{") == 3
    # and as a page in a browser gets it
    target = f"{url}gradio_api/call/check"
    event = httpx.post(target, json={"data": ["abc", "", "平水韵"]}).json()["event_id"]
    answer = httpx.get(f"{target}/{event}", timeout=30).text
    data = json.loads(re.search("^data: (.*)$", answer, re.M)[1])
    assert json.loads(data["title"]) == {"key": "not_chinese", "fields": {"char": "a"}} and "'a'" in data["error"]


def test_our_own_faults_are_logged_and_not_shown_as_the_callers(client, monkeypatch, capfd):
    """A ValueError deep inside is no refusal: the caller learns that something broke, the log where."""

    def broken(self, tokens, state):
        raise ValueError("an injected bug")

    monkeypatch.setattr(Recurrence, "step", broken)
    with pytest.raises(AppError) as caught:
        client.predict("春风吹上苑", seed=1, api_name="/answer")
    assert "injected" not in str(caught.value)
    assert "an injected bug" in capfd.readouterr().err


def test_the_page_learns_options_and_words(client):
    facts = load_app().facts()
    names = [option["name"] for option in facts["options"]["write"]]
    endpoints = client.view_api(return_format="dict", print_info=False)["named_endpoints"]
    assert names == [each["parameter_name"] for each in endpoints["/write"]["parameters"]]
    limits = {option["name"]: option for option in facts["options"]["write"]}
    assert limits["opening"]["longest"] == 16 and limits["temperature"]["most"] == 2.0
    assert facts["words"].keys() == {*languages(), "zh-Hant"} and json.dumps(facts)


def test_empty_opening_is_welcome(client):
    assert client.predict("", seed=1, api_name="/write")["form"] == "五绝"


@pytest.mark.parametrize(
    "path",
    [
        "/gradio_api/file=/etc/passwd",
        f"/gradio_api/file={APP}",
        "/tang/../app.py",
        "/tang/%2e%2e/app.py",
        "/tang/..%2fapp.py",
        "/tang//etc/passwd",
    ],
)
def test_no_file_of_the_server_can_be_read(url, path):
    answer = httpx.get(url.rstrip("/") + path)
    assert answer.status_code >= 400 or "import gradio" not in answer.text and "root:" not in answer.text


def test_the_queue_is_bounded(monkeypatch, url):
    app = load_app()
    assert app.build()._queue.max_size == app.WAITING
    monkeypatch.setattr(app, "TOGETHER", 1)
    blocks = app.build()
    blocks.queue(max_size=1)
    writer = _held_writer(monkeypatch, app)
    app.launch(blocks, server_name="127.0.0.1", server_port=free_port(), prevent_thread_lock=True, quiet=True)
    try:
        body = {"data": ["春", "lstm", "五绝", True, "", "", "", 0.8, 1, "平水韵"]}
        with ThreadPoolExecutor(8) as pool:
            target = f"{blocks.local_url}gradio_api/call/write"
            answers = list(pool.map(lambda _: httpx.post(target, json=body, timeout=30), range(8)))
        assert {answer.status_code for answer in answers} == {200, 503}
    finally:
        writer.give_up()
        blocks.close()


def _held(monkeypatch, app, name: str) -> tuple[threading.Event, list[str]]:
    """Has calls wait in a function of the page until the gate opens, and then be refused; lists which have begun."""
    gate, begun = threading.Event(), []

    def wait(cell):
        begun.append(cell)
        gate.wait(60)
        raise app.Refusal(Fault("no_poem"))

    monkeypatch.setattr(app, name, wait)
    return gate, begun


class HeldWriter:
    """Writes nothing until it gives up: `asked` are the poems that it was asked for."""

    def __init__(self):
        self.asked: list[Future] = []

    def begin(self) -> None:
        pass

    def ask(self, *how, **options) -> Future:
        self.asked.append(Future())
        return self.asked[-1]

    def give_up(self) -> None:
        for poem in self.asked:
            if poem.set_running_or_notify_cancel():
                poem.set_exception(Fault("no_poem"))


def _held_writer(monkeypatch, app) -> HeldWriter:
    monkeypatch.setattr(app, "WRITER", writer := HeldWriter())
    return writer


def test_who_goes_away_frees_the_place(monkeypatch, url):
    """Calls that wait while another is being answered, and whose callers hang up: nobody computes them."""
    app = load_app()
    monkeypatch.setattr(app, "TOGETHER", 1)
    blocks = app.build()
    writer = _held_writer(monkeypatch, app)
    app.launch(blocks, server_name="127.0.0.1", server_port=free_port(), prevent_thread_lock=True, quiet=True)
    try:
        target = f"{blocks.local_url}gradio_api/call/write"
        body = {"data": ["春", "lstm", "五绝", True, "", "", "", 0.8, 1, "平水韵"]}
        events = [httpx.post(target, json=body, timeout=30).json()["event_id"] for _ in range(6)]
        _wait(lambda: writer.asked and len(blocks._queue) == 5)
        for event in events[1:]:
            with httpx.stream("GET", f"{target}/{event}", timeout=30):
                pass
        _wait(lambda: len(blocks._queue) == 0)
        assert len(writer.asked) == 1
    finally:
        writer.give_up()
        blocks.close()


def test_so_many_are_written_for_at_once(monkeypatch, url):
    """All that may be written together reach the writer, whatever number of calls Gradio would take of itself."""
    app = load_app()
    blocks, writer = app.build(), _held_writer(monkeypatch, app)
    app.launch(blocks, server_name="127.0.0.1", server_port=free_port(), prevent_thread_lock=True, quiet=True)
    try:
        body = {"data": ["春", "lstm", "五绝", True, "", "", "", 0.8, 1, "平水韵"]}
        with httpx.Client(base_url=f"{blocks.local_url}gradio_api/call/", timeout=30) as client:
            for number in range(app.TOGETHER):
                headers = {"X-Forwarded-For": f"10.0.0.{number + 1}"}
                client.post("write", json=body, headers=headers).raise_for_status()
        _wait(lambda: len(writer.asked) == app.TOGETHER)
    finally:
        writer.give_up()
        blocks.close()


def _wait(until) -> None:
    deadline = time.monotonic() + 30
    while not until():
        assert time.monotonic() < deadline
        time.sleep(0.02)


def test_the_same_seed_gives_the_same_poem_under_load(client):
    asked = [("春", "五绝", True), ("月", "七绝", False), ("山", "五绝", False)]

    def text(arguments):
        opening, form, regulated = arguments
        return client.predict(opening, form=form, regulated=regulated, seed=7, api_name="/write")["text"]

    alone = [text(arguments) for arguments in asked]
    with ThreadPoolExecutor(9) as pool:
        assert list(pool.map(text, asked * 4)) == alone * 4


# -- the page's own files ---------------------------------------------------------------------------------------------


def test_all_languages_have_the_same_words_and_the_page_no_others():
    words = load_app().words()
    for language in words:
        assert {name: said.keys() for name, said in words[language].items()} == {
            name: said.keys() for name, said in words["en"].items()
        }, language
    scripts = {path.name: path.read_text("utf-8") for path in (*STATIC.glob("*.js"), STATIC / "page.html")}
    asked = {key for text in scripts.values() for key in re.findall(r'data-t(?:-label|-placeholder)?="(\w+)"', text)}
    asked |= {key for text in scripts.values() for key in re.findall(r'\bt\("(\w+)"', text)}
    assert asked <= words["en"]["page"].keys()
    made = "fault form start first gloss gate state explain tab length tail characters hand lines"
    made = re.compile(f"({'|'.join(made.split())})_")  # with a name put in
    everything = "".join(scripts.values())
    assert [key for key in words["en"]["page"] if not made.match(key) and key not in everything] == []


def test_nothing_comes_from_another_host(url):
    for path in STATIC.rglob("*"):
        if path.suffix in (".js", ".css", ".html", ".json"):
            hosts = set(re.findall(r"(?:https?:)?//([\w.-]+\.\w+)", path.read_text("utf-8")))
            assert hosts <= {"www.w3.org"}, path
    page = httpx.get(url).text
    assert "tang/page.css" in page and 'og:title" content="一字成诗' in page
    assert "fonts.googleapis" not in page + httpx.get(f"{url}theme.css").text


UNDRAWN = {"\U00030b38"}  # no free typeface has it yet


def test_the_typeface_has_every_character_and_is_small():
    ttLib = pytest.importorskip("fontTools.ttLib")
    pytest.importorskip("brotli")
    fonts = {path.stem: path for path in (STATIC / "font").glob("*.woff2")}
    assert sum(path.stat().st_size for path in fonts.values()) < 6 * 2**20
    assert all(path.stat().st_size < 2**19 for name, path in fonts.items() if name not in ("tang", "tang-traditional"))
    drawn = {name: set(map(chr, ttLib.TTFont(path).getBestCmap())) for name, path in fonts.items()}
    poets = [load_app().poet_of(cell) for cell in ("rnn", "lstm", "gru")]
    vocabulary = {token for poet in poets for token in poet.tokenizer.get_vocab() if len(token) == 1}
    said = {char for section in languages()["zh"].values() for word in section.values() for char in word}
    assert said <= drawn["tang"] and vocabulary - drawn["tang"] <= drawn["tang-20000"] | UNDRAWN
    assert set("門風雲發後裏") <= drawn["tang"] | drawn["tang-traditional"]
    every = set().union(*drawn.values())
    assert sum(chr(code) in every for code in range(0x4E00, 0xA000)) > 20_900  # whatever may be given, but for 20 or so
    assert "SIL OPEN FONT LICENSE" in (STATIC / "font" / "OFL.txt").read_text("utf-8")


# -- other programs ---------------------------------------------------------------------------------------------------


def test_endpoints_are_named_typed_and_described(client):
    endpoints = client.view_api(return_format="dict", print_info=False)["named_endpoints"]
    assert {"/write", "/compare", "/acrostic", "/check", "/inside"} <= endpoints.keys()
    parameters = {each["parameter_name"]: each for each in endpoints["/write"]["parameters"]}
    assert "lstm" in json.dumps(parameters["cell"]) and parameters["form"]["parameter_default"] == "五绝"


def test_a_call_with_fewer_values_takes_the_defaults_or_says_which_is_missing(url):
    def call(endpoint: str, *values) -> tuple[str, list | dict]:
        target = f"{url}gradio_api/call/{endpoint}"
        event = httpx.post(target, json={"data": values}).json()["event_id"]
        *_, (kind, data) = re.findall(
            r"^event: (.*)\ndata: (.*)$", httpx.get(f"{target}/{event}", timeout=60).text, re.M
        )
        return kind, json.loads(data)

    kind, (poem,) = call("write", "春", "gru")
    assert kind == "complete" and poem["opening"] == "春" and poem["cell"] == "gru" and poem["form"] == "五绝"
    kind, (poem,) = call("acrostic", "春夏", "lstm", "5")  # as clients send it that make names of choices
    assert [len(line) for line in poem["lines"]] == [5] * 4
    kind, refused = call("acrostic")
    assert kind == "error" and refused["error"] == "the phrase must be given"
    assert json.loads(refused["title"]) == {"key": "missing", "fields": {"name": "phrase"}}


def through_mcp(url: str, *calls: tuple[str, dict], on_progress=None):
    """The tools there are, and the results of these calls; the client holds them to the tools' output schemas."""
    mcp = pytest.importorskip("mcp")
    from mcp.client.streamable_http import streamablehttp_client

    async def ask():
        async with (
            streamablehttp_client(f"{url}gradio_api/mcp/") as (read, write, _),
            mcp.ClientSession(read, write) as session,
        ):
            await session.initialize()
            tools = {tool.name: tool for tool in (await session.list_tools()).tools}
            return tools, [await session.call_tool(*call, progress_callback=on_progress) for call in calls]

    return asyncio.run(ask())


def test_mcp_tools(url):
    tools, results = through_mcp(
        url,
        ("check", {"text": VERSE}),
        ("write", {"opening": "春", "seed": 7}),
        ("compare", {"opening": "春", "seed": 7}),
        ("acrostic", {"phrase": "春夏", "line_length": 5, "seed": 7}),
        ("inside", {"text": VERSE}),
        ("alternatives", {"text": VERSE, "line": 2, "place": 3}),
        ("revise", {"text": VERSE, "keep": "1", "regulated": False, "seed": 7}),
        ("appraise", {"text": VERSE}),
        ("next_lines", {"text": "白日依山尽", "form": "五绝", "seed": 7, "count": 3}),
        ("answer", {"line": "细雨鱼儿出", "seed": 7, "count": 2}),
        ("suggest", {"text": "白日依山尽，黄河入海流。欲穷千里目，更上一层天。"}),
    )
    by_hand = {"alternatives", "revise", "appraise", "next_lines", "answer", "suggest"}
    assert tools.keys() == {"write", "compare", "acrostic", "check", "inside"} | by_hand
    for tool in tools.values():
        assert len(tool.description) > 80 and "Args" not in tool.description
        assert all(each["description"] and each["type"] for each in tool.inputSchema["properties"].values())
        assert all(each["description"] for each in tool.outputSchema["properties"].values())
        assert tool.annotations.readOnlyHint and tool.annotations.openWorldHint is False
    assert tools["check"].inputSchema["required"] == ["text"] and tools["write"].inputSchema["required"] == []
    line_length = tools["acrostic"].inputSchema["properties"]["line_length"]
    assert (line_length["type"], line_length["enum"], line_length["default"]) == ("integer", [5, 7], 7)
    for result in results:
        assert not result.isError, result
        assert json.loads(result.content[0].text) == result.structuredContent
        assert "\\u" not in result.content[0].text
    verdict, poem, compared, hidden, *_, going_on, answered, suggested = (each.structuredContent for each in results)
    assert len(going_on["lines"]) == 3 and all(len(line["text"]) == 5 for line in going_on["lines"])
    assert len(answered["lines"]) == 2 and not answered["lines"][0]["first"]
    assert suggested["suggestions"][0]["characters"][0] == "楼"
    assert verdict["rhyme_group"] == "五微"
    assert poem["text"] == load_app().poet_of("lstm").write("春", form="五绝", regulated=True, seed=7).text
    assert len(compared["poems"]) == 3 and hidden["phrase"] == "春夏"
    listed = httpx.get(f"{url}gradio_api/mcp/schema").json()
    assert [each["name"] for each in listed] == [*tools] and listed[0]["inputSchema"] == tools["write"].inputSchema


def test_what_is_asked_of_a_poem_stands_in_it(client):
    asked = {"include": "琵琶", "rhyme_words": "楼流秋", "fixed": "1:1=独", "avoid": "春", "form": "七绝", "seed": 3}
    poem = client.predict("", **asked, api_name="/write")
    assert "琵琶" in poem["text"] and "春" not in poem["text"] and poem["text"].startswith("独")
    assert [poem["lines"][line][-1] for line in (0, 1, 3)] == list("楼流秋")


def test_mcp_progress_is_the_poem_as_it_grows(url):
    told = []

    async def on_progress(progress, total, message):
        told.append(message)

    asked = ("write", {"opening": "春", "seed": 7, "form": "七律", "regulated": False})
    _, (result,) = through_mcp(url, asked, on_progress=on_progress)
    assert len(told) > 3 and all(result.structuredContent["text"].startswith(text) for text in told)


def test_mcp_logs_a_fault_of_ours_and_says_no_more(url, monkeypatch, caplog):
    def broken(self, tokens, state):
        raise ValueError("an injected bug")

    monkeypatch.setattr(Recurrence, "step", broken)
    _, (result,) = through_mcp(url, ("answer", {"line": "春风吹上苑", "seed": 99}))
    assert result.isError and result.content[0].text == "something broke here; it has been logged"
    assert "an injected bug" in caplog.text


@pytest.mark.parametrize(
    ("call", "said"),
    [
        (("acrostic", {}), "the phrase must be given"),
        (("write", {"form": "七言"}), "form must be one of"),
        (("write", {"lines": 4}), "no option lines; there are opening"),
        (("sing", {}), "no tool sing; there are write"),
    ],
)
def test_mcp_says_what_is_wrong(url, call, said):
    _, (result,) = through_mcp(url, call)
    assert result.isError and said in result.content[0].text and "\n" not in result.content[0].text


def test_the_environment_names_host_and_port():
    with running(APP) as url:
        assert httpx.get(url).status_code == 200


def test_cells_of_ones_own_have_names_that_tell_them_apart(tmp_path):
    load_app()
    from page_cells import named

    for name in ("my poems/final", "lstm"):
        (tmp_path / name).mkdir(parents=True)
    mine, lstm = str(tmp_path / "my poems" / "final"), str(tmp_path / "lstm")
    assert named([mine, mine, lstm, "someone/tang-lstm", "other/tang-lstm"]) == {
        "my-poems": mine,
        "lstm-2": lstm,
        "tang-lstm": "someone/tang-lstm",
        "tang-lstm-2": "other/tang-lstm",
    }


# -- links ------------------------------------------------------------------------------------------------------------

VERSE = "春草黄鹂啭，幽人白露晞。欲知行客处，谁见暮云归。"


def _tag(page: str, name: str) -> str:
    return html.unescape(re.search(rf'<meta (?:property|name)="{name}" content="([^"]*)"', page)[1])


def test_a_robot_that_opens_a_link_sees_the_poem(url):
    page = httpx.get(url, params={"opening": "春", "seed": 1, "title": "晓", "text": VERSE}).text
    assert _tag(page, "og:description") == _tag(page, "twitter:description") == VERSE
    assert _tag(page, "og:title").startswith("晓") and "<title>晓" in page
    image = _tag(page, "og:image")
    assert image.startswith(url) and _tag(page, "twitter:card") == "summary_large_image"
    picture = httpx.get(image)
    size = tuple(int.from_bytes(picture.content[at : at + 4]) for at in (16, 20))
    assert picture.headers["content-type"] == "image/png" and size == (1200, 630)
    assert picture.content != httpx.get(f"{url}tang/card.png").content
    assert page.count('property="og:title"') == 1 and "gradio.app" not in page  # Gradio's own tags are gone


def test_a_link_without_the_text_is_drawn_from_what_it_asks(url):
    asked = {"opening": "春", "seed": 7, "form": "五绝", "cell": "gru"}
    text = load_app().poet_of("gru").write("春", form="五绝", regulated=True, temperature=0.8, seed=7).text
    drawn = httpx.get(f"{url}tang/card.png", params=asked).content
    assert drawn == httpx.get(f"{url}tang/card.png", params=asked | {"text": text}).content


@pytest.mark.parametrize(
    "evil",
    [
        {"text": '"><script>alert(1)</script>'},
        {"text": "春" * 401},
        {"opening": '"><b>', "title": "<b>"},
        {"text": "ad!"},
    ],
)
def test_a_hostile_link_has_a_harmless_preview(url, evil):
    page = httpx.get(url, params=evil).text
    assert "<script>alert" not in page and '"><b>' not in page and _tag(page, "og:image").startswith(url)
    assert _tag(page, "og:description") == _tag(httpx.get(url).text, "og:description")


def test_what_no_card_can_show_is_refused(url):
    for asked in ({"shape": "poster"}, {"text": "春" * 60}, {"text": VERSE, "cell": "cnn"}):
        assert httpx.get(f"{url}tang/card.png", params=asked).status_code == 400


def test_the_page_is_packed_and_asks_whether_it_is_new(url):
    answer = httpx.get(url, headers={"Accept-Encoding": "gzip"})
    assert answer.headers["content-encoding"] == "gzip" and int(answer.headers["content-length"]) < len(answer.text) / 3
    assert httpx.get(f"{url}tang/page.js").headers["cache-control"] == "no-cache"
    manifest = httpx.get(f"{url}tang/manifest.json").json()
    assert all(httpx.get(f"{url}tang/{icon['src']}").status_code == 200 for icon in manifest["icons"])


# -- strangers --------------------------------------------------------------------------------------------------------

BODY = {"data": ["春", "lstm", "五绝", True, "", "", "", 0.8, 1, "平水韵"]}


@pytest.mark.parametrize(
    "path",
    [
        *("run/write", "api/write", "upload", "component_server", "stream/x", "process_recording", "vibe-edit"),
        *("proxy=https://x.hf.space/", "file=https://example.org/", "file=/etc/passwd", "dev/reload", "runs"),
        *("../monitoring", "../monitoring/summary", "../login", "../pwa_icon", "run-history/records", "vibe-code"),
    ],
)
def test_what_the_page_does_not_need_is_closed(url, path):
    target = f"{url}gradio_api/{path}" if not path.startswith("../") else f"{url}{path[3:]}"
    files = {"files": ("a", b"x")}
    answers = [httpx.get(target), httpx.post(target, json=BODY), httpx.post(target, files=files), httpx.put(target)]
    assert {answer.status_code for answer in answers} <= {404, 405}


@pytest.mark.parametrize(
    "path", ["gradio_api/call/write", "gradio_api/queue/join", "gradio_api/cancel", "gradio_api/mcp/"]
)
def test_other_sites_call_nothing(url, path):
    host = url.split("/")[2]
    foreign = [
        {"Origin": "https://evil.example"},
        {"Origin": "null"},
        {"Origin": f"http://{host}.evil.example"},
        {"Origin": f"http://{host}", "Sec-Fetch-Site": "cross-site"},
        {"Origin": f"http://{host}", "Sec-Fetch-Site": "same-site"},
    ]
    for headers in foreign:
        answer = httpx.post(f"{url}{path}", json=BODY, headers=headers)
        assert answer.status_code == 403 and not [name for name in answer.headers if name.startswith("access-control")]
        asked = headers | {
            "Access-Control-Request-Method": "POST",
            "Access-Control-Request-Headers": "x-forwarded-host",
        }
        answer = httpx.options(f"{url}{path}", headers=asked)
        assert answer.status_code == 405 and not [name for name in answer.headers if name.startswith("access-control")]
    if path.endswith("write"):
        own = [{}, {"Origin": f"http://{host}"}, {"Origin": "https://poem.example", "Sec-Fetch-Site": "same-origin"}]
        own += [{"Origin": "https://poem.example", "X-Forwarded-Host": "poem.example"}]
        for headers in own:
            assert httpx.post(f"{url}{path}", json=BODY, headers=headers).status_code == 200


def test_every_answer_says_what_it_may_do(url):
    for path in ("", "tang/page.js", "gradio_api/info", "tang/card.png", "no-such-page", "config"):
        answer = httpx.get(f"{url}{path}", headers={"Origin": "https://evil.example"}, timeout=30)
        policy = answer.headers["content-security-policy"]
        assert "default-src 'self'" in policy and "https://huggingface.co" in policy and "object-src 'none'" in policy
        assert answer.headers["x-content-type-options"] == "nosniff" and "referrer-policy" in answer.headers
        assert not [name for name in answer.headers if name.startswith("access-control")]


def test_bodies_have_bounds(url, capfd):
    """In bytes, depth and time; and what is refused is no line of the log."""
    target = f"{url}gradio_api/call/write"
    assert httpx.post(target, content=b'{"data": ["' + b"x" * 2 * 10**7 + b'"]}', timeout=60).status_code == 413
    pieces = (b"[" * 1000 for _ in range(100))  # of a length that is not told before
    assert httpx.post(target, content=pieces, timeout=60).status_code == 413
    assert httpx.post(target, content=b'{"data": ' + b"[" * 2000 + b"]" * 2000 + b"}").status_code == 400
    assert httpx.post(target, json={"data": ["[" * 100, "lstm"]}).status_code == 200, "brackets in a text are none"
    assert httpx.post(target, content=b"[" * 20).status_code == 422
    assert len("".join(capfd.readouterr())) < 10_000


def test_a_slow_sender_is_told_so(url, monkeypatch):
    monkeypatch.setattr(sys.modules["page_guard"], "SLOWEST", 0.3)
    host, port = url.split("/")[2].split(":")
    with socket.create_connection((host, int(port)), timeout=30) as connection:
        connection.sendall(b"POST /gradio_api/call/write HTTP/1.1\r\nHost: x\r\nContent-Length: 50\r\n\r\n{")
        assert b" 408 " in connection.recv(1000)


def test_a_caller_has_so_many_places_and_turns_are_fair(monkeypatch):
    """One who floods the queue gets his places and no more; who comes after him is next."""
    app = load_app()
    turns = sys.modules["page_turns"]
    monkeypatch.setattr(turns, "PLACES", 6)
    monkeypatch.setattr(turns, "COMPUTING", 1)
    monkeypatch.setattr(app, "AT_ONCE", 2)
    blocks = app.build()
    gate, begun = _held(monkeypatch, app, "poet_of")
    app.launch(blocks, server_name="127.0.0.1", server_port=free_port(), prevent_thread_lock=True, quiet=True)

    def ask(caller: str, cell: str) -> int:
        body = {"data": ["白日依山尽，黄河入海流。", cell]}
        headers = {"X-Forwarded-For": caller}
        return httpx.post(
            f"{blocks.local_url}gradio_api/call/inside", json=body, headers=headers, timeout=30
        ).status_code

    try:
        assert [ask("10.0.0.1", "lstm") for _ in range(9)] == [200] * 6 + [503] * 3
        _wait(lambda: begun)
        assert ask("10.0.0.2", "gru") == 200
        _wait(lambda: len(begun) == 2)
        assert begun == ["lstm", "gru"], "one place to compute is left, and it is not the flood's"
        assert httpx.get(blocks.local_url).status_code == 200
    finally:
        gate.set()
        blocks.close()


def test_a_caller_has_so_many_open_requests(url, monkeypatch):
    """Streams that are opened and left open; those that are closed free their places."""
    guard = sys.modules["page_guard"]
    monkeypatch.setattr(guard, "OPENED", 5)
    mine, others = {"X-Forwarded-For": "10.1.0.1"}, {"X-Forwarded-For": "10.1.0.2"}
    beat = f"{url}gradio_api/heartbeat/"
    with ExitStack() as stack:
        for number in range(5):
            answer = stack.enter_context(httpx.stream("GET", f"{beat}{number}", headers=mine, timeout=30))
            assert answer.status_code == 200
        assert httpx.get(url, headers=mine).status_code == 429
        assert httpx.get(url, headers=others).status_code == 200
    _wait(lambda: httpx.get(url, headers=mine).status_code == 200)
    monkeypatch.setattr(guard, "WRITING", 0)
    assert httpx.get(f"{url}tang/card.png", headers=mine).status_code == 429
    assert httpx.post(f"{url}gradio_api/mcp/", json={}, headers=mine).status_code == 429
    assert httpx.get(url, headers=mine).status_code == 200


def test_answers_that_nobody_fetches_are_forgotten(monkeypatch):
    """However many sessions come and go, what is kept of them and of their callers is bounded."""
    app = load_app()
    monkeypatch.setattr(sys.modules["page_turns"], "REMEMBERED", 10)
    blocks = app.build()
    app.launch(blocks, server_name="127.0.0.1", server_port=free_port(), prevent_thread_lock=True, quiet=True)
    try:
        body = {"data": ["白日依山尽，黄河入海流。", "", "平水韵"]}
        for number in range(40):
            headers = {"X-Forwarded-For": f"10.2.0.{number}"}
            answer = httpx.post(f"{blocks.local_url}gradio_api/call/check", json=body, headers=headers, timeout=30)
            assert answer.status_code == 200
            _wait(lambda: not blocks._queue.event_ids_to_events)
        assert len(blocks._queue.pending_event_ids_session) <= 12 and len(blocks._queue.last_turn) <= 12
    finally:
        blocks.close()


def test_the_log_cannot_be_flooded(url):
    """What strangers can bring Gradio to raise is logged once, and what is not there is no error."""
    records, log = [], logging.getLogger("uvicorn.error")
    handler = logging.Handler()
    handler.emit = records.append
    log.addHandler(handler)
    try:
        with httpx.Client(base_url=f"{url}gradio_api/", timeout=30) as client:
            assert client.post("call/nothing", json={"data": []}).status_code == 404
            assert client.get("call/nothing/x").status_code == 404
            assert client.post("call/check", content=b"\xff\xfe").status_code == 400
            assert not records
            for number in range(5):
                call = {"data": [], "fn_index": 999 + number, "session_hash": "a"}
                assert client.post("queue/join", json=call).status_code == 500
                with suppress(httpx.HTTPError):
                    client.get(f"call/check/x{number}")
        assert 1 <= len(records) <= 2, "one for each place"
    finally:
        log.removeHandler(handler)

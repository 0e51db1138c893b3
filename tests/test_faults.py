"""Errors that are a user's to mend: one key, one sentence in each language, the same for people and programs."""

import json
import pickle
import re
from pathlib import Path

import pytest

import tang_rnn
from tang_rnn import PoetError, RuleConflict
from tang_rnn.faults import Fault
from tang_rnn.words import languages

PACKAGE = Path(tang_rnn.__file__).parent


def test_a_fault_says_what_is_wrong_in_each_language():
    fault = PoetError("too_long", name="opening", count=99, most=14)
    assert str(fault) == "the opening is too long: 99 characters, at most 14"
    assert "起首的字" in fault.say("zh") and "99" in fault.say("zh")
    assert fault.say("xx") == str(fault), "a language there is none of is answered in English"


def test_programs_get_key_and_fields():
    fault = RuleConflict("rhyme_twice", char="春")
    told = json.loads(json.dumps(fault.to_dict()))
    assert told == {"key": "rhyme_twice", "fields": {"char": "春"}, "message": str(fault)}


def test_a_fault_goes_to_other_processes():
    fault = pickle.loads(pickle.dumps(RuleConflict("rhyme_twice", char="春")))
    assert type(fault) is RuleConflict and fault.fields == {"char": "春"} and isinstance(fault, Fault)


def test_what_strangers_send_stays_in_one_line():
    assert "\n" not in str(Fault("unknown", char="\n", name="opening")) + str(Fault("unknown", char="\ud800", name="x"))


def test_every_language_says_the_same():
    """Sections, keys and the fields of each sentence; only the order of words may differ."""
    english = languages()["en"]
    for language, words in languages().items():
        assert words.keys() == english.keys(), language
        for section in ("faults", "names"):
            assert words[section].keys() == english[section].keys(), (language, section)
        for key, sentence in words["faults"].items():
            left_out = set(re.findall(r"{(\w+)}", english["faults"][key])) - set(re.findall(r"{(\w+)}", sentence))
            more = set(re.findall(r"{(\w+)}", sentence)) - set(re.findall(r"{(\w+)}", english["faults"][key]))
            assert not more, (language, key)
            assert left_out <= {"known", "mark", "name"}, (language, key)


@pytest.mark.parametrize("language", languages())
def test_words_are_words(language):
    for section in languages()[language].values():
        assert all(isinstance(word, str) and word and "\n" not in word for word in section.values())


def test_every_fault_of_the_code_has_its_sentence_and_fields():
    """And no sentence is left that nothing says."""
    source = "".join(
        path.read_text("utf-8") for path in [*PACKAGE.rglob("*.py"), *(PACKAGE.parent / "demo").glob("*.py")]
    )
    said = languages()["en"]["faults"]
    raised = set(re.findall(r'(?:Fault|PoetError|RuleConflict|Refusal)\(\s*"(\w+)"', source))
    assert len(raised) > 30 and raised <= said.keys()
    unused = {key for key in said if f'"{key}"' not in source}
    assert not unused


def test_a_cause_is_said_in_the_same_language():
    fault = PoetError("cannot_load", folder="x", why=Fault("no_file", file="config.json"))
    assert str(fault) == "cannot load 'x': there is no file config.json" and "缺少文件" in fault.say("zh")
    assert json.loads(json.dumps(fault.to_dict()))["fields"]["why"]["key"] == "no_file"

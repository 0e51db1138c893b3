"""A poem has one verdict in both scripts, but where traditional script tells apart what simplified writes alike."""

import opencc
import pytest

from tang_rnn.verse import PINGSHUI, check

POEMS = 300


def said(verdict):
    faults = [(fault.name, fault.line, fault.position) for fault in verdict.violations]
    return verdict.form, verdict.pattern, verdict.rhyme_group, verdict.judged, faults


def narrower(simplified, traditional):
    """Whether some character of the traditional text has fewer readings, and none has others: 徵 is no 征."""
    pairs = [(set(PINGSHUI.readings(a)), set(PINGSHUI.readings(b))) for a, b in zip(simplified, traditional)]
    return all(b <= a for a, b in pairs) and any(b < a for a, b in pairs)


def test_real_poems_have_one_verdict_in_both_scripts():
    parquet = pytest.importorskip("pyarrow.parquet")
    from test_verse_rhymes import CORPUS

    texts = parquet.read_table(CORPUS / "test.parquet", columns=["text"])["text"].to_pylist()
    convert, apart = opencc.OpenCC("s2t").convert, []
    for text in texts[:: len(texts) // POEMS]:
        traditional = convert(text)
        if said(check(text)) != said(check(traditional)):
            assert narrower(text, traditional), (text, traditional)
            apart.append(text)
    assert len(apart) <= POEMS // 50


@pytest.mark.parametrize("pair", ["烟菸", "烟煙", "画畫", "饥饑", "征徵", "并並", "干乾", "干幹", "发髮", "后後"])
def test_a_traditional_character_has_no_tone_that_its_simplified_one_lacks(pair):
    simplified, traditional = map(set, map(PINGSHUI.readings, pair))
    assert traditional and traditional <= simplified

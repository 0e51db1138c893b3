"""The rules hold by construction: whatever the model prefers, however it is sampled, in any batch."""

import pytest
import torch
from tokenizers import Tokenizer, models, pre_tokenizers
from transformers import GPT2Config, GPT2LMHeadModel, PreTrainedTokenizerFast

from tang_rnn import TangRNNConfig, TangRNNForCausalLM, TangTokenizer
from tang_rnn.poet import PRETRAINED
from tang_rnn.rules import RuleConflict, Rules, VerseConstraint, Vocabulary
from tang_rnn.rules.constraint import MAX_FREE_LINE
from tang_rnn.verse import COMMA, FORMS, PINGSHUI, STOP, check, patterns, split_lines


@pytest.fixture(scope="module")
def tokenizer():
    return TangTokenizer.from_pretrained(PRETRAINED / "lstm")


@pytest.fixture(scope="module")
def vocabulary(tokenizer):
    return Vocabulary(tokenizer)


@pytest.fixture(scope="module")
def noise(tokenizer):
    """A model that knows nothing: what it writes shows the rules alone."""
    torch.manual_seed(0)
    config = TangRNNConfig(vocab_size=len(tokenizer), embedding_size=8, hidden_size=8, initializer_range=2.0)
    return TangRNNForCausalLM(config).eval()


def generate(model, tokenizer, rules, openings=("",), **kwargs):
    inputs = tokenizer(list(openings), return_tensors="pt", padding=True)
    torch.manual_seed(1)
    options = {"do_sample": True, "max_new_tokens": 200, "top_k": 0, "pad_token_id": tokenizer.pad_token_id} | kwargs
    output = model.generate(**inputs, logits_processor=[VerseConstraint(rules, tokenizer)], **options)
    return tokenizer.batch_decode(output, skip_special_tokens=True)


def characters_of(vocabulary):
    """Most frequent first."""
    return [token for token in vocabulary.ids if token not in COMMA + STOP]


@pytest.mark.parametrize("form", [name for name, form in FORMS.items() if form.regulated])
def test_regulated_poems_have_no_fault(noise, tokenizer, form):
    num_lines = None if FORMS[form].num_lines else 10
    rules = [
        Rules(form=form, num_lines=num_lines, regulated=True, no_repeat=30),
        Rules(form=form, num_lines=num_lines, regulated=True, rhyme="十一真", opening="春"),
    ]
    for text in generate(noise, tokenizer, rules, ["", "春"], num_return_sequences=8):
        judged = check(text)
        assert judged.ok and judged.form in (form, FORMS[form].token[1:-1]), f"{text}\n{judged}"


def test_what_is_told_behind_the_start_token_is_no_part_of_the_poem(noise, tokenizer):
    """As a text in one piece has it; beside rows of other lengths, and rows with nothing told."""
    rules = Rules(form="五绝", regulated=True, acrostic="春夏秋冬")
    openings = ["<五绝><李白>春", "<五绝>", "春", "<七律>春眠"]
    for text in generate(noise, tokenizer, rules, openings, num_return_sequences=2):
        assert check(text, "五绝").ok and [line[0] for line in split_lines(text)] == list("春夏秋冬")


def test_beams_and_beam_samples_keep_the_rules(noise, tokenizer):
    rules = [Rules(form="五绝", regulated=True, rhyme=group) for group in ("一东", "七阳")]
    for options in ({"do_sample": False, "num_beams": 3}, {"do_sample": True, "num_beams": 2}):
        texts = generate(noise, tokenizer, rules, ["", ""], **options)
        for text, group in zip(texts, ("一东", "七阳")):
            judged = check(text)
            assert judged.ok, f"{text}\n{judged}"
            assert all(group in PINGSHUI.readings(line[-1]) for line in split_lines(text)[1::2])


@pytest.mark.parametrize("group", PINGSHUI.level_groups)
def test_every_level_group_can_be_asked_for(noise, tokenizer, group):
    (text,) = generate(noise, tokenizer, Rules(form="七律", regulated=True, rhyme=group))
    assert check(text).ok
    assert all(group in PINGSHUI.readings(line[-1]) for line in split_lines(text)[1::2])


def test_every_pattern_can_be_asked_for(noise, tokenizer):
    wanted = [pattern.name for form in ("五绝", "七绝", "五律", "七律") for pattern in patterns(form)]
    for name in wanted:
        (text,) = generate(noise, tokenizer, Rules(form=name[:2], pattern=name))
        assert check(text).pattern == name, f"{name}: {text}"


def test_rows_of_different_forms_and_lengths_share_a_batch(noise, tokenizer):
    rules = [
        Rules(form="五律"),
        Rules(form="七绝", regulated=True),
        Rules(),
        Rules(form="七古", num_lines=6, rhyme=True),
    ]
    texts = generate(noise, tokenizer, rules, ["春风", "", "山中", "月"])
    assert [len(line) for line in split_lines(texts[0])] == [5] * 8 and texts[0].startswith("春风")
    assert check(texts[1]).ok and check(texts[1]).form == "七绝"
    assert texts[2].startswith("山中") and texts[2].endswith(STOP)
    assert all(1 <= len(line) <= MAX_FREE_LINE for line in split_lines(texts[2]))
    assert [len(line) for line in split_lines(texts[3])] == [7] * 6 and check(texts[3]).rhyme_group


def test_a_row_is_constrained_the_same_alone_and_padded(tokenizer):
    rule = Rules(form="七绝", regulated=True, no_repeat=20)
    text, other = "春江潮水连海平，海", "月"
    alone = VerseConstraint(rule, tokenizer).allowed(tokenizer(text, return_tensors="pt").input_ids)
    both = tokenizer([text, other], return_tensors="pt", padding=True).input_ids
    assert torch.equal(VerseConstraint([rule, rule], tokenizer).allowed(both)[:1], alone)


def test_acrostics_avoided_and_fixed_characters(noise, tokenizer, vocabulary):
    (text,) = generate(noise, tokenizer, Rules(form="五绝", acrostic="春夏秋冬", rhyme=True, fixed={(1, 3): "江"}))
    lines = split_lines(text)
    assert "".join(line[0] for line in lines) == "春夏秋冬" and lines[0][2] == "江"
    assert check(text).rhyme_group
    (text,) = generate(noise, tokenizer, Rules(form="七绝", acrostic_tail="花月夜人"))
    assert "".join(line[-1] for line in split_lines(text)) == "花月夜人"
    common = "".join(characters_of(vocabulary)[:3000])
    (text,) = generate(noise, tokenizer, Rules(form="五绝", avoid=common))
    assert not set(text) & set(common)


def test_an_acrostic_chooses_the_pattern_that_allows_it(noise, tokenizer):
    # 春 and 山 are level, 月 and 落 oblique: with 对 and 粘 not every pattern can begin its lines so.
    (text,) = generate(noise, tokenizer, Rules(form="五绝", acrostic="春月落山", regulated=True))
    assert check(text).ok and "".join(line[0] for line in split_lines(text)) == "春月落山"


def test_no_character_comes_back_too_soon_but_may_be_doubled(noise, tokenizer, vocabulary):
    (text,) = generate(noise, tokenizer, Rules(form="七律", no_repeat=1000))
    lines = split_lines(text)
    for line in lines:
        for one, other in zip(line, line[1:]):
            text = text.replace(one + other, one, 1) if one == other else text
    characters = "".join(split_lines(text))
    assert len(set(characters)) == len(characters)
    prefix = tokenizer("处", return_tensors="pt").input_ids
    rule = VerseConstraint(Rules(form="五绝", no_repeat=20), tokenizer)
    assert rule.allowed(prefix)[0, vocabulary.ids["处"]]
    prefix = tokenizer("处处", return_tensors="pt").input_ids
    assert not rule.allowed(prefix)[0, vocabulary.ids["处"]]


@pytest.mark.parametrize(
    ("rules", "words"),
    [
        (Rules(form="五言"), "no form '五言'"),
        (Rules(acrostic="春"), "acrostic needs a form"),
        (Rules(form="五绝", opening="春" * 21), "the opening is too long"),
        (Rules(form="五绝", acrostic="春夏秋冬雪"), "acrostic is too long"),
        (Rules(form="五绝", opening="春", acrostic="夏"), "the opening asks for '春', acrostic for '夏'"),
        (Rules(form="五绝", opening="春", avoid="春"), "to be avoided"),
        (Rules(form="五绝", rhyme="一送"), "no level group"),
        (Rules(form="五绝", rhyme="东冬"), "no rhyme group"),
        (Rules(form="五绝", rhyme="一东", acrostic_tail="月山日花"), "'山' ends line 2 but does not rhyme in 一东"),
        (Rules(form="五绝", regulated=True, acrostic_tail="花月夜人"), "free the tones"),
        (Rules(form="五绝", rhyme=True, acrostic_tail="月山日山"), "重韵"),
        (Rules(form="五绝", pattern="七绝平起首句入韵"), "no pattern"),
        (Rules(form="五古", regulated=True), "no tonal patterns"),
        (Rules(form="五绝", num_lines=6), "4 lines, not 6"),
        (Rules(form="五排", num_lines=11, regulated=True), "even number"),
        (Rules(form="五绝", fixed={(5, 1): "春"}), "too long"),
        (Rules(form="五绝", acrostic="☃"), "no character the model knows"),
        (
            Rules(form="七绝", regulated=True, rhyme="一东", opening="春风一夜满江城"),
            "'城' ends line 1 but does not rhyme",
        ),
        (Rules(form="五绝", regulated=True, acrostic_tail="城东"), "'城' ends line 1 but does not rhyme with"),
    ],
)
def test_rules_that_cannot_be_kept_are_named_before_writing(vocabulary, rules, words):
    with pytest.raises(RuleConflict, match=words):
        VerseConstraint(rules, vocabulary, start_token_id=1)


def test_avoided_characters_must_leave_some(vocabulary):
    characters = characters_of(vocabulary)
    oblique = "".join(char for char in characters if vocabulary.tones[vocabulary.ids[char]] != 0)
    with pytest.raises(RuleConflict, match="none of oblique tone"):
        VerseConstraint(Rules(form="五绝", regulated=True, avoid=oblique), vocabulary, start_token_id=1)
    with pytest.raises(RuleConflict, match="none is left"):
        VerseConstraint(Rules(form="五绝", avoid="".join(characters)), vocabulary, start_token_id=1)


@pytest.mark.parametrize(
    ("opening", "rhyme"),
    [
        ("一夜秋风起大江", None),  # of a narrow group
        ("春风一夜满江城", "十蒸"),  # borrowed from a neighbouring group (邻韵)
        ("今朝独上高楼望", "一东"),  # of two tones, heard oblique
    ],
)
def test_a_first_line_that_is_given_rhymes_with_the_rest(noise, tokenizer, opening, rhyme):
    rules = Rules(form="七绝", regulated=True, rhyme=rhyme, opening=opening, distinct_ends=True)
    (text,) = generate(noise, tokenizer, rules, [opening + "，"])
    assert check(text).ok and text.startswith(opening)


def test_another_model_with_its_own_tokenizer(vocabulary):
    """The rules need a character-level model, not ours: here GPT-2 with a vocabulary in another order."""
    characters = sorted(characters_of(vocabulary)[:2500])
    tokens = {token: index for index, token in enumerate(["[PAD]", "[END]", "[UNK]", *characters, COMMA, STOP, "[GO]"])}
    backend = Tokenizer(models.WordLevel(tokens, unk_token="[UNK]"))
    backend.pre_tokenizer = pre_tokenizers.Split("", "isolated")
    tokenizer = PreTrainedTokenizerFast(
        tokenizer_object=backend, pad_token="[PAD]", eos_token="[END]", bos_token="[GO]", unk_token="[UNK]"
    )
    torch.manual_seed(0)
    model = GPT2LMHeadModel(GPT2Config(vocab_size=len(tokens), n_embd=16, n_layer=1, n_head=2)).eval()
    constraint = VerseConstraint(Rules(form="七绝", regulated=True), tokenizer)
    start = torch.tensor([[tokens["[GO]"]]] * 4)
    output = model.generate(
        start, do_sample=True, max_new_tokens=40, logits_processor=[constraint], eos_token_id=1, pad_token_id=0
    )
    for row in output:
        text = "".join(tokenizer.convert_ids_to_tokens(row[1:], skip_special_tokens=True))
        assert check(text).ok, text


def test_a_wrong_number_of_rules_is_an_error(tokenizer):
    with pytest.raises(ValueError, match="no multiple"):
        VerseConstraint([Rules()] * 2, tokenizer).allowed(torch.ones(3, 4, dtype=torch.long))


@pytest.mark.parametrize("form", [None, "五绝", "七律", "七古"])
def test_no_line_ends_as_another_did(noise, tokenizer, vocabulary, form):
    """With few characters to write by, ends return at once where nothing keeps them from it."""
    avoid = "".join(characters_of(vocabulary)[100 if form is None else 30 :])

    def repeated(**rules):
        texts = generate(noise, tokenizer, Rules(form=form, avoid=avoid, **rules), num_return_sequences=16)
        ends = [[line[-1] for line in split_lines(text)] for text in texts]
        return sum(len(set(each)) < len(each) for each in ends)

    assert repeated() > 0
    assert repeated(distinct_ends=True, no_repeat=8) == 0


def test_a_line_leaves_the_ends_that_are_asked_for_further_on(noise, tokenizer, vocabulary):
    characters = characters_of(vocabulary)[:40]
    rules = Rules(
        form="七古",
        num_lines=8,
        distinct_ends=True,
        fixed={(line, 7): char for line, char in zip((3, 6, 8), characters)},
        avoid="".join(characters_of(vocabulary)[40:]),
    )
    for text in generate(noise, tokenizer, rules, num_return_sequences=40):
        ends = [line[-1] for line in split_lines(text)]
        assert len(set(ends)) == 8 and [ends[2], ends[5], ends[7]] == characters[:3]


def test_progress_is_what_reading_from_the_beginning_gives(tokenizer, vocabulary):
    """Of a loop that keeps it, and of a processor called with rows that grow and change places as beams do."""
    rules = [
        Rules(form="七绝", regulated=True, no_repeat=40, distinct_ends=True, acrostic="春"),
        Rules(form="五古", rhyme=True, num_lines=6, no_repeat=1),
        Rules(no_repeat=20, distinct_ends=True),
    ]
    torch.manual_seed(0)
    ids = tokenizer(["春", "", "山中"] * 2, return_tensors="pt", padding=True).input_ids.view(2, 3, -1)
    ids = ids.transpose(0, 1).flatten(0, 1)  # two rows of each rule

    def fresh() -> VerseConstraint:
        return VerseConstraint(rules, vocabulary, tokenizer.bos_token_id)

    growing, keeping = fresh(), fresh()
    progress = keeping.read(ids)
    for step in range(45):
        allowed = fresh().allowed(ids)
        assert torch.equal(growing.allowed(ids), allowed) and torch.equal(keeping.mask(progress), allowed)
        tokens = torch.multinomial(allowed.float(), 1)
        if step % 7 == 6:  # a character that breaks the rules
            tokens = torch.full_like(tokens, vocabulary.ids["风"])
        ids, progress = torch.cat([ids, tokens], 1), keeping.advance(progress, tokens[:, 0])
        if step % 5 == 4:
            places = torch.tensor([0, 0, 3, 2, 5, 4])
            ids, progress = ids[places], progress.select(places)

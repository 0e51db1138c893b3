"""What was asked, in the model's terms: one poem's rules, what the model is told before it, and how it begins."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Mapping
from dataclasses import dataclass, replace

from ..characters import Characters
from ..faults import Fault, PoetError, RuleConflict
from ..rules import Plan, Rules, Vocabulary, placed
from ..verse import COMMA, FORMS, STOP, Form, RhymeBook, get_book, get_form, split_lines
from .request import RULES

MAX_TITLE = 12  # characters of a title the model was trained to see
NO_REPEAT = 40  # characters before one may recur: a whole quatrain, most of a longer poem
SELECTORS = re.compile("[\ufe00-\ufe0f\U000e0100-\U000e01ef]")  # which glyph of a character is meant


@dataclass(frozen=True)
class Request:
    """One poem to be written.

    Attributes:
        rules: what is asked of it.
        context: what the model is told before it, as text.
        opening: the characters it is to begin with, as asked.
        beginning: the same with the marks that its form puts between them: the poem's text goes on from there.
        seed: of its random numbers.
        poet, title: what of the context is these.
        book: the rhyme book by which its rules are kept.
    """

    rules: Rules
    context: str
    opening: str
    beginning: str
    seed: int
    poet: str
    title: str
    book: RhymeBook


class Reader:
    """Puts what was asked into the terms of a tokenizer and its vocabulary, which is another by each rhyme book."""

    def __init__(self, tokenizer: Characters, vocabulary: Vocabulary):
        self.tokenizer, self.vocabulary = tokenizer, vocabulary
        self._vocabularies = {vocabulary.book: vocabulary}

    def vocabulary_by(self, book: RhymeBook) -> Vocabulary:
        """What the tokens are to the rules by a rhyme book; made when it is first asked for."""
        if book not in self._vocabularies:
            self._vocabularies[book] = Vocabulary(self.tokenizer, book)
        return self._vocabularies[book]

    def request(self, opening: str, options: Mapping, seed: int) -> Request:
        """What :meth:`tang_rnn.TangPoet.write` was asked, for one poem.

        Args:
            options: the rules, rhyme book, poet and title, checked.

        Raises:
            PoetError: a character or poet that the model does not know.
            RuleConflict: rules that no poem can keep together.
        """
        given, book = {name: options[name] for name in RULES}, get_book(options["rhyme_book"])
        for name in ("acrostic", "acrostic_tail"):
            given[name] = "".join(split_lines(self.readable(given[name], name)))
        given["rhyme_words"] = "".join(split_lines(self.readable(given["rhyme_words"], "rhyme_words")))
        given["include"] = tuple(self.readable(word, "include") for word in given["include"])
        given["avoid"] = tuple(filter(None, map(self.normalize, given["avoid"])))
        given["fixed"] = [(place, self.readable(char, "fixed")) for place, char in given["fixed"]]
        given["form"] = given["form"] and form_named(given["form"])
        given["pattern"] = given["pattern"] and self.normalize(given["pattern"])
        if given["acrostic"] and given["rhyme"] is None:
            given["rhyme"] = True  # who hides a name wants it to sound like verse; False says otherwise
        if given["form"] is None:
            given["form"], given["num_lines"] = needed_form(given)
        rules = Rules(**given, no_repeat=NO_REPEAT, distinct_ends=True)
        opening = self.opening(opening, rules.even_form())
        return self.of_rules(replace(rules, opening=opening), opening, options["poet"], options["title"], seed, book)

    def of_rules(self, rules: Rules, opening: str, poet: str, title: str, seed: int, book: RhymeBook) -> Request:
        """What rules in the model's characters ask.

        Raises:
            PoetError, RuleConflict: as :meth:`request`.
        """
        vocabulary = self.vocabulary_by(book)
        plan = Plan.of(placed(rules, vocabulary), vocabulary)
        if not plan.leaves_something:
            raise RuleConflict("nothing_to_write")
        context, poet, title = self.context(rules.form, poet, title)
        return Request(rules, context, opening, plan.beginning(), seed, poet, title, book)

    def opening(self, text: str, form: Form | None) -> str:
        """An opening in the model's characters: without marks for a form, which sets its own; else its lines, parted by
        marks, spaces or line breaks, with ，and 。 behind them.

        Raises:
            PoetError: a character that is not Chinese, or a mark at the beginning.
            RuleConflict: lines of another length than the form's.
        """
        if form is None:
            opening = self.readable(self._marked(text), "opening")
            if opening and opening[0] in COMMA + STOP:
                raise PoetError("begins_with_mark", mark=opening[0])
            return opening
        lines = [self.readable(line, "opening") for line in split_lines(text)]
        for number, line in enumerate(lines[:-1], 1):
            if len(line) % form.line_length and max(map(len, lines)) > 1:
                at = {"line": number, "count": len(line), "form": form.name, "length": form.line_length}
                raise RuleConflict("length_of_line", **at)
        return "".join(lines)

    def _marked(self, text: str) -> str:
        """A text with marks where lines are parted by white space alone, and the last one closed if it is whole."""
        pieces = [piece for piece in map(self.normalize, text.split()) if piece]
        if len(pieces) < 2 or max(map(len, pieces)) == 1:  # spaces between characters part nothing
            return "".join(pieces)
        marked = ""
        for number, piece in enumerate(pieces):
            marked += piece
            lines = split_lines(marked)
            whole = number + 1 < len(pieces) or len(lines) > 1 and len(lines[-1]) == len(lines[-2])
            if whole and piece[-1] not in COMMA + STOP:
                marked += COMMA if len(lines) % 2 else STOP
        return marked

    def context(self, form: str | None, poet: str | None, title: str | None) -> tuple[str, str, str]:
        """What a model is told before a poem: as the text that says it, and of that the poet and the title.

        Raises:
            PoetError: a poet the model does not know. Of a title, characters it does not know are left out.
        """
        poet = self.normalize(poet or "")
        if poet and poet not in self.tokenizer.poets:
            raise PoetError("unknown_poet", poet=poet, known=self.tokenizer.poets)
        title = "".join(char for char in self.normalize(title or "") if char in self.vocabulary.ids)
        title = title.replace(COMMA, "").replace(STOP, "")[:MAX_TITLE]
        return self.tokenizer.context(FORMS[form].token if form else "", poet, title), poet, title

    def normalize(self, text: str) -> str:
        """The text in the model's characters, where it has them."""
        return self.tokenizer.normalize(SELECTORS.sub("", unicodedata.normalize("NFC", text)))

    def readable(self, text: str, name: str) -> str:
        """The same, if it is all marks and Chinese characters; the model reads one that it lacks as unknown.

        Raises:
            PoetError: naming the first other character.
        """
        text = self.normalize(text)
        for char in text:
            if char not in self.vocabulary.ids and not self.vocabulary.may_be_given(char):
                raise PoetError("unknown", char=char, name=name)
        return text


def form_named(name: str) -> str:
    """The name of a form, from any that people write.

    Raises:
        RuleConflict: there is no such form.
    """
    try:
        return get_form(name).name
    except Fault as fault:
        raise RuleConflict(fault.key, **fault.fields) from None


def form_of_lines(count: int, length: int = 7, regulated: bool = False) -> tuple[str, int | None]:
    """The form for an acrostic of so many characters, and its lines where the form leaves them free.

    Up to four make a quatrain, up to eight a poem of eight lines, more an old-style poem, or 排律 if it is regulated;
    lines that are left over are free.

    Args:
        length: characters in a line, 5 or 7.
    """
    numeral = {5: "五", 7: "七"}[length]
    if count <= 8:
        return numeral + ("绝" if count <= 4 else "律"), None
    return numeral + ("排" if regulated else "古"), max(count + count % 2, 10)


def needed_form(rules: Mapping) -> tuple[str | None, int | None]:
    """The form that rules need which name none, and its lines where it leaves them free."""
    regulated, count = rules["regulated"], rules["num_lines"]
    if pattern := rules["pattern"]:
        if pattern[:2] not in FORMS:
            raise RuleConflict("pattern_names_no_form", pattern=pattern)
        return pattern[:2], count
    if count:
        if regulated and count not in (4, 8) and (count < 10 or count % 2):
            raise RuleConflict("regulated_lines", count=count)
        return {4: "七绝", 8: "七律"}.get(count, "七排" if regulated else "七古"), count
    words = len(rules["rhyme_words"])
    lines = [len(rules["acrostic"]), len(rules["acrostic_tail"]), *(line for (line, _), _ in rules["fixed"])]
    lines.append(4 * (words > 0) if words <= 3 else 8 if words <= 5 else 2 * words)  # its first line may rhyme too
    if most := max(lines):
        return form_of_lines(most, regulated=regulated)
    return "七绝" if regulated or rules["rhyme"] or rules["include"] else None, None


__all__ = ["Reader", "Request", "form_named", "form_of_lines", "needed_form"]

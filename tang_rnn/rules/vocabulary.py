"""What a tokenizer's tokens are to a rule: which are characters, of which tones and rhymes."""

from __future__ import annotations

from copy import copy
from typing import NamedTuple

import torch

from ..faults import Fault
from ..verse import COMMA, EITHER, LEVEL, OBLIQUE, PINGSHUI, STOP, UNKNOWN, RhymeBook
from ..verse.usage import usage

# What may stand in a slot; the numbers index the masks of a vocabulary.
CHARACTER, COMMA_ONLY, STOP_ONLY, END_ONLY, CHARACTER_OR_END, CHARACTER_OR_MARK, MARK_ONLY = range(7)
# How the character of a slot rhymes; the numbers index its heard tones.
NO_RHYME, RHYMES, MAY_RHYME, MUST_NOT_RHYME = range(4)
# Tables of tone and rhyme, see :class:`Vocabulary`.
HEARD = frozenset(
    (
        "tones",
        "read_tones",
        "heard_tones",
        "tone_masks",
        "kinds_by_tone",
        "oblique_only",
        "groups",
        "read_groups",
        "group_sizes",
    )
)
_TONE_CLASSES = {LEVEL: 0, OBLIQUE: 1, EITHER: 2, UNKNOWN: 3}


def is_han(char: str) -> bool:
    """Whether this is a Chinese character, of those that Unicode calls unified."""
    return "\u3400" <= char <= "\u9fff" or char >= "\U00020000"


class Sound(NamedTuple):
    """Tone and rhyme of a character by a rhyme book; classes and bits as in the tables of :class:`Vocabulary`."""

    tone: int
    read_tone: int
    groups: int
    read_groups: int
    oblique_only: bool

    @classmethod
    def of(cls, char: str, book: RhymeBook) -> Sound:
        """What the book says; nothing of what is no character."""
        if not is_han(char):
            return cls(3, 3, 0, 0, False)
        bit = {name: 1 << index for index, name in enumerate(book.level_groups)}
        sure, tone = book.tone(char, strict=True), book.tone(char)
        groups, every = (sum(bit.get(name, 0) for name in book.readings(char, strict)) for strict in (True, False))
        # A rhyme word is read level: a character whose level reading poets do not use is none.
        groups = groups if sure in (LEVEL, EITHER) else 0
        read = tone if sure == UNKNOWN else sure
        return cls(_TONE_CLASSES[sure], _TONE_CLASSES[read], groups, groups or every, sure == OBLIQUE and not every)

    def heard(self, rhyme: int) -> int:
        """The class of its tone in a slot that so rhymes: of two tones, the one that fits where a line ends."""
        return self.read_tone if self.read_tone < 2 else (self.read_tone, 0, 0, 1)[rhyme]


class Vocabulary:
    """What a tokenizer's tokens are to a rule, one entry a token: the tables behind every mask.

    Args:
        tokenizer: the one whose tokens they are.
        book: the rhyme book that rules tones and rhyme.

    Attributes:
        book: likewise.
        tokens: each token's text.
        ids: of those tokens that are one character or mark, by that character.
        context: (W,) bool, tokens such as <五绝>, which tell the model something and are no part of a poem.
        comma, stop, end, unknown: ids of the marks, the end and the unknown token (None where there is none).
        width: entries of each table, W: as many as tokens, and up to seven that never come, to make it whole words.
        masks: (7, W) bool, what may stand in each kind of slot.
        tones: (W,) 0 平, 1 仄, 2 either, 3 unknown; only readings nobody disputes, to write by.
        read_tones: (W,) the same, with the disputed readings of characters that have no other, to read by.
        heard_tones: (4, W) the same by how the slot rhymes: where a line ends, one of two tones is taken for the one
            that fits.
        tone_masks: (9, W) bool, the same as masks.
        kinds_by_tone: (7 * 9, W) bool, what both a kind of slot and a tone mask leave; the row is kind * 9 + tone mask.
        oblique_only: (W,) bool, 仄 and without any level reading.
        groups: (W,) bit g is set if the character rhymes in level group g; to write by.
        read_groups: (W,) likewise to read by.
        group_sizes: how many characters there are to write by in each level group.
        doubled: (W,) bool, characters that may stand doubled (叠字), since real poems have them so.
        plans: of rules for these tokens, kept by :meth:`Plan.of`; here, so that they go when the vocabulary goes.

    Raises:
        Fault: the tokenizer has no single-character tokens, or lacks ，or 。or an end token.
    """

    def __init__(self, tokenizer, book: RhymeBook = PINGSHUI):
        self.book, size = book, len(tokenizer)
        self.plans, self._copies = {}, {}
        self.tokens = tokenizer.convert_ids_to_tokens(list(range(size)))
        special = set(tokenizer.all_special_ids)
        self.ids = {token: index for index, token in enumerate(self.tokens) if len(token) == 1 and index not in special}
        if COMMA not in self.ids or STOP not in self.ids or tokenizer.eos_token_id is None:
            raise Fault("no_marks", marks=[COMMA, STOP])
        self.comma, self.stop, self.end = self.ids[COMMA], self.ids[STOP], tokenizer.eos_token_id
        self.unknown = tokenizer.unk_token_id
        self.width = -(-size // 8) * 8
        self._characters = characters = [""] * self.width  # by token; of what is none of ours nothing
        for token, index in self.ids.items():
            if is_han(token):
                characters[index] = token
        named = {getattr(tokenizer, f"{name}_token_id", None) for name in ("bos", "eos", "pad", "unk")}
        self.context = torch.zeros(self.width, dtype=torch.bool)
        self.context[[index for index in tokenizer.get_added_vocab().values() if index not in named]] = True
        masks = torch.zeros(7, self.width, dtype=torch.bool)
        # No ordinary font shows characters beyond Unicode's first plane: they may be given, and are not written.
        character = torch.tensor([bool(char) and char <= "\uffff" for char in characters])
        masks[[CHARACTER, CHARACTER_OR_END, CHARACTER_OR_MARK]] = character
        masks[[COMMA_ONLY, CHARACTER_OR_MARK, MARK_ONLY], self.comma] = True
        masks[[STOP_ONLY, CHARACTER_OR_MARK, MARK_ONLY], self.stop] = True
        masks[[END_ONLY, CHARACTER_OR_END], self.end] = True
        self.masks = masks
        allowed = usage().doubled
        self.doubled = torch.tensor([char in allowed for char in characters])
        self.unused = int(masks.any(0).int().argmin())  # a token that never may stand in a poem

    def __getattr__(self, name: str):
        """What tones and rhymes say: made when it is first asked for, which a poem without rules never does."""
        if name not in HEARD:
            raise AttributeError(name)
        self._hear()
        return vars(self)[name]

    def _hear(self) -> None:
        book = self.book
        columns = zip(*(Sound.of(char, book) for char in self._characters))
        self.tones, self.read_tones, self.groups, self.read_groups, self.oblique_only = map(torch.tensor, columns)
        doubtful = self.read_tones.ge(2)
        level, oblique = self.read_tones.masked_fill(doubtful, 0), self.read_tones.masked_fill(doubtful, 1)
        self.heard_tones = torch.stack([self.read_tones, level, level, oblique])
        # Rows to be picked by what may come: 0 nothing, 1 平, 2 仄, 3 either tone (disputed ones too), 4 all; where a
        # line ends that may do without rhyme: 5 nothing, 6 a rhyme word, 7 仄 without any level reading, 8 both.
        level, oblique = self.tones.eq(0) | self.tones.eq(2), self.tones.eq(1) | self.tones.eq(2)
        nothing, every_tone, rhyming = torch.zeros_like(level), torch.ones_like(level), self.groups.ne(0)
        # Where words decide, a character of two tones may turn out to have the one that its place had not meant.
        either = level | oblique if book.words_decide else every_tone
        self.tone_masks = torch.stack(
            [nothing, level, oblique, either, every_tone]
            + [nothing, rhyming, self.oblique_only, rhyming | self.oblique_only]
        )
        self.kinds_by_tone = (self.masks[:, None] & self.tone_masks).flatten(0, 1)
        bits = self.groups[:, None] >> torch.arange(len(book.level_groups)) & 1
        self.group_sizes = bits.sum(0).tolist()

    def sound(self, char: str) -> Sound:
        """Tone and rhyme of any character, also of one that is no token."""
        return Sound.of(char, self.book)

    def may_be_given(self, char: str) -> bool:
        """Whether a character can stand in a poem if it is asked for; one that is no token is read as the unknown."""
        return is_han(char) and (char in self.ids or self.unknown is not None)

    def token(self, char: str) -> int:
        """The id that a given character is read as."""
        return self.ids.get(char, self.unknown)

    def are_marks(self, tokens: torch.Tensor) -> torch.Tensor:
        """Which tokens end a line: bool, of the same shape."""
        return tokens.eq(self.comma) | tokens.eq(self.stop)

    def on(self, device: torch.device) -> Vocabulary:
        """The same with its tables on a device: a copy, since others may be writing with this one."""
        if self.masks.device == device:
            return self
        if device not in self._copies:
            self._hear()
            moved = copy(self)
            for name, value in vars(self).items():
                if isinstance(value, torch.Tensor):
                    setattr(moved, name, value.to(device))
            self._copies[device] = moved
        return self._copies[device]


__all__ = ["Sound", "Vocabulary", "is_han"]

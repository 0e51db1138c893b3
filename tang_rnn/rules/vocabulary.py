"""What a tokenizer's tokens are to a rule: which are characters, of which tones and rhymes."""

from __future__ import annotations

import torch

from ..verse import COMMA, EITHER, LEVEL, OBLIQUE, PINGSHUI, STOP, UNKNOWN, RhymeBook

# What may stand in a slot; the numbers index the masks of a vocabulary.
CHARACTER, COMMA_ONLY, STOP_ONLY, END_ONLY, CHARACTER_OR_END, CHARACTER_OR_MARK, MARK_ONLY = range(7)
# How the character of a slot rhymes.
NO_RHYME, RHYMES, MAY_RHYME, MUST_NOT_RHYME = range(4)
_TONE_CLASSES = {LEVEL: 0, OBLIQUE: 1, EITHER: 2, UNKNOWN: 3}


class Vocabulary:
    """What a tokenizer's tokens are to a rule, one entry a token: the tables behind every mask.

    Args:
        tokenizer: the one whose tokens they are.
        book: the rhyme book that rules tones and rhyme.

    Attributes:
        book: likewise.
        tokens: each token's text.
        width: entries of each table, W: as many as tokens, and up to seven that never come, to make it whole words.
        masks: (7, W) bool, what may stand in each kind of slot.
        tones: (W,) 0 平, 1 仄, 2 either, 3 unknown; only readings nobody disputes, to write by.
        read_tones: (W,) the same, with the disputed readings of characters that have no other, to read by.
        heard_tones: (4, W) the same by how the slot rhymes: where a line ends, one of two tones is taken for the one
            that fits.
        tone_masks: (9, W) bool, the same as masks.
        oblique_only: (W,) bool, 仄 and without any level reading.
        groups: (W,) bit g is set if the character rhymes in level group g; to write by.
        read_groups: (W,) likewise to read by.
        group_sizes: how many characters there are to write by in each level group.

    Raises:
        ValueError: the tokenizer has no single-character tokens, or lacks ，or 。or an end token.
    """

    def __init__(self, tokenizer, book: RhymeBook = PINGSHUI):
        self.book, size = book, len(tokenizer)
        self.tokens = tokenizer.convert_ids_to_tokens(list(range(size)))
        special = set(tokenizer.all_special_ids)
        self.ids = {token: index for index, token in enumerate(self.tokens) if len(token) == 1 and index not in special}
        if COMMA not in self.ids or STOP not in self.ids or tokenizer.eos_token_id is None:
            raise ValueError(f"the tokenizer needs tokens for {COMMA} and {STOP} and an eos_token")
        self.comma, self.stop, self.end = self.ids[COMMA], self.ids[STOP], tokenizer.eos_token_id
        self.width = -(-size // 8) * 8
        characters = [""] * self.width
        for token, index in self.ids.items():
            if _is_han(token):
                characters[index] = token
        tones = [book.tone(char, strict=True) if char else UNKNOWN for char in characters]
        lenient = [book.tone(char) if char else UNKNOWN for char in characters]
        self.tones = torch.tensor([_TONE_CLASSES[tone] for tone in tones])
        self.read_tones = torch.tensor(
            [_TONE_CLASSES[other if tone == UNKNOWN else tone] for tone, other in zip(tones, lenient)]
        )
        doubtful = self.read_tones.ge(2)
        level, oblique = self.read_tones.masked_fill(doubtful, 0), self.read_tones.masked_fill(doubtful, 1)
        self.heard_tones = torch.stack([self.read_tones, level, level, oblique])
        bit = {name: 1 << index for index, name in enumerate(book.level_groups)}
        groups = [sum(bit.get(name, 0) for name in book.readings(char, strict=True)) for char in characters]
        every = [sum(bit.get(name, 0) for name in book.readings(char)) for char in characters]
        self.oblique_only = self.tones.eq(1) & torch.tensor([not bits for bits in every])
        # A rhyme word is read level: a character whose level reading poets do not use is none.
        self.groups = torch.tensor([bits if tone in "平中" else 0 for bits, tone in zip(groups, tones)])
        self.read_groups = torch.tensor([bits or other for bits, other in zip(self.groups.tolist(), every)])
        masks = torch.zeros(7, self.width, dtype=torch.bool)
        character = torch.tensor([bool(char) for char in characters])
        masks[[CHARACTER, CHARACTER_OR_END, CHARACTER_OR_MARK]] = character
        masks[[COMMA_ONLY, CHARACTER_OR_MARK, MARK_ONLY], self.comma] = True
        masks[[STOP_ONLY, CHARACTER_OR_MARK, MARK_ONLY], self.stop] = True
        masks[[END_ONLY, CHARACTER_OR_END], self.end] = True
        self.masks = masks
        # Rows to be picked by what may come: 0 nothing, 1 平, 2 仄, 3 either tone (disputed ones too), 4 all; where a
        # line ends that may do without rhyme: 5 nothing, 6 a rhyme word, 7 仄 without any level reading, 8 both.
        level, oblique = self.tones.eq(0) | self.tones.eq(2), self.tones.eq(1) | self.tones.eq(2)
        nothing, every_tone, rhyming = torch.zeros_like(level), torch.ones_like(level), self.groups.ne(0)
        self.tone_masks = torch.stack(
            [nothing, level, oblique, every_tone, every_tone]
            + [nothing, rhyming, self.oblique_only, rhyming | self.oblique_only]
        )
        bits = self.groups[:, None] >> torch.arange(len(book.level_groups)) & 1
        self.group_sizes = bits.sum(0).tolist()
        self.unused = int(masks.any(0).int().argmin())  # a token that never may stand in a poem


def _is_han(token: str) -> bool:
    return "\u3400" <= token <= "\u9fff" or token >= "\U00020000"


__all__ = ["Vocabulary"]

"""What goes with what in real verse: small tables counted from the training poems, and measures of a poem by them.

Each table of pairs of characters is a product of two thin matrices of 8-bit numbers, so that a measure of many poems is
a few sums. ``python -m training.associations`` writes them. Shapes in the comments: B poems, L lines, N characters of a
line, V characters of the tables (0 stands for all others), K columns of a thin matrix.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cache
from pathlib import Path

import numpy as np
from safetensors import SafetensorError
from safetensors.numpy import load_file, save_file

from .usage import word_places

TABLE = Path(__file__).parent / "data" / "associations.safetensors"
MATRICES = ("coherence", "parallel", "title", "titled")
STOCK = 10  # words that are called stock words, the commonest of all
SIGNED = ("coherence", "parallel")  # symmetric tables: the matrix times itself, each column with its sign


class Associations:
    """The tables.

    Args:
        path: a file of :meth:`write`.

    Raises:
        OSError: it cannot be read.
        ValueError: it is no such file.
    """

    def __init__(self, path: Path = TABLE):
        try:
            tensors = load_file(path)
            self.index = {chr(code): number for number, code in enumerate(tensors["characters"].tolist(), 1)}
            self._matrices = {name: self._rows(tensors, name) for name in MATRICES}  # each (V, K)
            self._signs = {name: tensors[name + "_sign"].astype(np.float32) for name in SIGNED}  # each (K,)
            # Sorted, (W,); what is no word is of characters 0.
            self._words, self._frequency = (np.insert(tensors[name], 0, 0) for name in ("words", "frequency"))
            self._stock = max(np.sort(self._frequency)[-STOCK:][0], 1e-6)
            self._ends = np.concatenate([[0], tensors["ends"].astype(np.float32)])  # (V,)
        except (SafetensorError, KeyError):
            raise ValueError(f"{path} is damaged, or another file: python -m training.associations writes it") from None

    @staticmethod
    def _rows(tensors: Mapping[str, np.ndarray], name: str) -> np.ndarray:
        values = tensors[name].astype(np.float32) * tensors[name + "_scale"][:, None]
        return np.concatenate([np.zeros_like(values[:1]), values])  # (V, K)

    @staticmethod
    def write(
        path: Path,
        characters: Sequence[str],
        matrices: Mapping[str, np.ndarray],
        signs: Mapping[str, np.ndarray],
        words: Mapping[str, float],
        ends: np.ndarray,
    ) -> None:
        """Makes the file.

        Args:
            characters: of the tables.
            matrices: by name of :data:`MATRICES`, a row for each character, (V - 1, K).
            signs: 1 or -1 for each column of those of :data:`SIGNED`.
            words: words of two of these characters, and how frequent they are, as a logarithm.
            ends: how much each character marks the last couplet, (V - 1,).
        """
        index = {char: number for number, char in enumerate(characters, 1)}
        keys = np.array([index[word[0]] << 16 | index[word[1]] for word in words], dtype=np.uint32)
        order = keys.argsort()
        tensors = {
            "characters": np.array([ord(char) for char in characters], dtype=np.uint32),
            "words": keys[order],
            "frequency": np.array(list(words.values()), dtype=np.float32)[order],
            "ends": ends.astype(np.float16),
        }
        for name in MATRICES:
            scale = np.abs(matrices[name]).max(1).clip(1e-9) / 127
            tensors[name] = np.ascontiguousarray(np.round(matrices[name] / scale[:, None]), dtype=np.int8)
            tensors[name + "_scale"] = scale.astype(np.float32)
        for name in SIGNED:
            tensors[name + "_sign"] = signs[name].astype(np.int8)
        save_file(tensors, path)

    def indices(self, poems: Sequence[Sequence[str]]) -> np.ndarray:
        """The lines of poems as numbers, 0 where there is no character or none of the tables: (B, L, N)."""
        height, width = max(map(len, poems)), max(len(line) for lines in poems for line in lines)
        text = [line.ljust(width, "\n") for lines in poems for line in (*lines, *[""] * (height - len(lines)))]
        numbers = [self.index.get(char, 0) for char in "".join(text)]
        return np.array(numbers, dtype=np.int64).reshape(len(poems), height, width)

    def coherence(self, poems: np.ndarray) -> np.ndarray:
        """The mean association of characters of different lines: how much they are of one world. (B, L, N) -> (B,).

        The association is the normalised pointwise mutual information (Bouma 2009) of standing in two lines of one
        poem, at most seven lines apart. A character counts where it first stands.
        """
        batch, height, width = poems.shape
        flat = poems.reshape(batch, -1)
        again = np.tril(flat[:, :, None] == flat[:, None, :], -1).any(2).reshape(poems.shape)
        ids = np.where(again, 0, poems)
        lines, counted = self._matrices["coherence"][ids].sum(2), (ids != 0).sum(2)  # (B, L, K), (B, L)
        pairs = counted.sum(1) ** 2 - (counted**2).sum(1)
        together = lines.sum(1) ** 2 - (lines**2).sum(1)  # (B, K)
        return together @ self._signs["coherence"] / np.maximum(pairs, 1)

    def parallelism(self, poems: np.ndarray) -> np.ndarray:
        """How parallel (对仗) the middle couplets of 律诗 are: (B, L, N) -> (B,); 0 without a whole one.

        The mean pointwise mutual information of characters at the same place of a middle couplet's two lines. Couplets
        by chance are about 0, and so are the first and the last of real poems.
        """
        first = [line for line in (2, 4) if line + 1 < poems.shape[1]]
        if not first:
            return np.zeros(len(poems), dtype=np.float32)
        return self.answering(poems[:, first], poems[:, [line + 1 for line in first]]).mean(1)

    def answering(self, lines: np.ndarray, others: np.ndarray) -> np.ndarray:
        """How parallel pairs of lines are, as :meth:`parallelism` has it: (..., N) twice -> (...)."""
        one, other = (self._matrices["parallel"][each] for each in (lines, others))  # (..., N, K)
        return (one * other @ self._signs["parallel"]).mean(-1)

    def theme(self, titles: Sequence[str], poems: np.ndarray) -> np.ndarray:
        """How much the characters of poems are those of poems under such titles: (B, L, N) -> (B,); 0 without a title.

        The mean pointwise mutual information of a title's characters and the poem's.
        """
        titles = self.indices([[title] for title in titles])[:, 0]  # (B, N)
        told, body = self._matrices["title"][titles].sum(1), self._matrices["titled"][poems].sum((1, 2))  # (B, K)
        return (told * body).sum(1) / np.maximum((titles != 0).sum(1) * (poems != 0).sum((1, 2)), 1)

    def commonness(self, poems: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """How common the words of poems are in real verse, and how many stock words they have: (B, L, N) -> (B,) twice.

        Commonness is the mean of the logarithms of how often each word stands in the training poems, a word that is not
        common counting 0; stock words are the :data:`STOCK` commonest. Both are 0 where lines are not of 5 or 7.
        """
        if poems.shape[2] not in (5, 7):
            return np.zeros((2, len(poems)), dtype=np.float32)
        places = np.array(word_places(poems.shape[2]))  # (words, 2)
        frequency = self.frequency(poems[:, :, places])
        return frequency.mean((1, 2)), (frequency >= self._stock).sum((1, 2))

    def frequency(self, words: np.ndarray) -> np.ndarray:
        """How often words of two characters stand in the training poems, as a logarithm: (..., 2) -> (...); 0 for what
        is no common word."""
        keys = (words[..., 0] << 16 | words[..., 1]).astype(np.uint32)
        place = self._words.searchsorted(keys).clip(max=len(self._words) - 1)
        return np.where(self._words[place] == keys, self._frequency[place], 0)

    def opposite(self, characters: Sequence[int]) -> np.ndarray:
        """How readily each character stands opposite these in a middle couplet: their numbers, N -> (N, V).

        The pointwise mutual information that :meth:`parallelism` is a mean of.
        """
        rows = self._matrices["parallel"]
        return (rows[list(characters)] * self._signs["parallel"]) @ rows.T

    @property
    def stock_words(self) -> list[str]:
        """The stock words, the commonest first."""
        chars = ["", *self.index]
        order = (-self._frequency).argsort(kind="stable")[:STOCK]
        return [chars[key >> 16] + chars[key & 0xFFFF] for key in self._words[order].tolist()]

    def closing(self, poems: np.ndarray, num_lines: np.ndarray) -> np.ndarray:
        """How much the last couplet, or what there is of it, has of what last couplets have and others have not:
        (B, L, N), (B,) lines that each has once it is whole -> (B,)."""
        last = np.arange(poems.shape[1]) >= num_lines[:, None] - 2  # (B, L)
        return (self._ends[poems].sum(2) * last).sum(1)


@cache
def associations() -> Associations:
    """The tables that ship; read at the first call (some milliseconds)."""
    return Associations()


__all__ = ["MATRICES", "SIGNED", "STOCK", "TABLE", "Associations", "associations"]

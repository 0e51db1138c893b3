"""A hand laid on the poem: what a poet can do with one that stands, and on the way to one."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from .recurrence import Recurrence
from .writing.alternatives import Alternative, Alternatives
from .writing.draft import read_draft
from .writing.poem import Poem
from .writing.reading import Reader, Request
from .writing.request import HAND, OPTIONS, REVISED, RULES, checked, default_candidates, new_seed, takes
from .writing.revision import revision
from .writing.sampling import Sampling

REVISING = ("fixed", *REVISED, *(name for name in OPTIONS if name not in (*RULES, "opening", "count")))


class Hand:
    """What :class:`tang_rnn.TangPoet` can do beside writing whole poems."""

    recurrence: Recurrence
    reader: Reader

    def write_all(self, requests: list[Request], sampling: Sampling, candidates: int) -> list[Poem]:
        raise NotImplementedError

    def alternatives(
        self,
        poem: Poem | str,
        line: int,
        place: int,
        most: int = 12,
        *,
        characters: int = 1,
        poet: str = "",
        title: str = "",
        rhyme_book: str | None = None,
    ) -> list[Alternative]:
        """What else could stand in a place of a poem, by the likelihood of the whole poem with it in.

        Args:
            poem: one of ours, or any text.
            line, place: from 1.
            most: how many.
            characters: 1, or 2 for words of two characters that begin in the place.
            poet, title: what the model is told of a poem that is not ours.
            rhyme_book: by which its rules are kept; the poem's own, or 平水韵.

        Returns:
            Those that keep the poem's rules before all; one in four breaks some, and says which.

        Raises:
            PoetError: there is no poem, or no such place in it.
        """
        draft = read_draft(self.reader, poem, poet, title, rhyme_book)
        line, place = HAND["line"].check(line), HAND["place"].check(place)
        size, most = HAND["characters"].check(characters), HAND["most"].check(most)
        return Alternatives(self.recurrence, self.reader, draft, line, place, size).find(most)

    @takes(*REVISING)
    def revise(self, poem: Poem | str, *, keep: int | Sequence[int] = (), **options) -> Poem:
        """The rest of a poem anew, so that it fits what stays, under the poem's own rules.

        Args:
            poem: one of ours, or any text; its rules are then those that it keeps.
            keep: lines that stay word for word, from 1.
            {options}

        What `fixed` says may differ from what stands there. Characters that the poem's own rules gave by place (its
        opening, an acrostic) stay too. A rule that is given replaces the poem's own.

        Raises:
            PoetError: there is no poem, or no such line or place in it.
            RuleConflict: what stays cannot be kept together, or nothing is left to be written.
        """
        values = checked(options, REVISING)
        seed = new_seed() if values["seed"] is None else values["seed"]
        draft = read_draft(self.reader, poem, values["poet"], values["title"], options.get("rhyme_book"))
        changes = {name: values[name] for name in REVISED if options.get(name) is not None}
        request, rules = revision(self.reader, draft, dict(values["fixed"]), HAND["keep"].check(keep), changes, seed)
        candidates = values["candidates"] or default_candidates(request.rules.regulated, request.rules.pattern)
        return replace(self.write_all([request], Sampling.of(values), candidates)[0], rules=rules)

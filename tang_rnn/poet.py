"""TangPoet: the one call most users make. Loads a checkpoint, writes poems under any rules, streams, scores.

poet = TangPoet.from_pretrained("lstm")
print(poet.write("春", form="五绝", seed=7))
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator, Sequence
from dataclasses import replace
from functools import cache
from pathlib import Path
from threading import Lock
from typing import TYPE_CHECKING

import torch
from tokenizers import Tokenizer

from . import cells
from .characters import Characters, check_fingerprint, check_vocabulary
from .checkpoint import LARGEST_FILES, check_origin, grader, load, load_model, own_lines
from .faults import Fault, PoetError, RuleConflict, first_line, text_of
from .grading import Grader
from .hand import Hand
from .recurrence import Recurrence
from .rules import Constraint, Plan, Rules, Vocabulary, placed
from .verse import classify, split_lines
from .verse.quotations import LineIndex
from .writing.batch import Batch
from .writing.choice import Choice, default_candidates
from .writing.drawing import Written
from .writing.poem import Poem
from .writing.reading import Reader, Request
from .writing.request import OPTIONS, Option, checked, new_seed, takes
from .writing.sampling import Sampling
from .writing.search import Rank, Search, beam_search, portions
from .writing.second import SecondReader

if TYPE_CHECKING:
    from .modeling_tang_rnn import TangRNNForCausalLM
    from .tokenization_tang_rnn import TangTokenizer

CELLS = tuple(cells.CELLS)
PRETRAINED = Path(__file__).parent / "pretrained"
WRITING = tuple(name for name in OPTIONS if name != "opening")
FIRST = Option("first", int, 0, "number of the first poem that is given", least=0)
SKIP = Option("skip", int, 0, "characters at the beginning that are taken as given", least=0)
STREAMING = tuple(name for name in WRITING if name not in ("count", "candidates"))


class TangPoet(Hand):
    """A model and its tokenizer, ready to write.

    Args:
        model: a :class:`TangRNNForCausalLM`, or its weights alone.

    Raises:
        Fault: model and tokenizer do not go together.

    Attributes:
        vocabulary: what its tokens are to the rules.
        reader: puts what is asked into their terms.
        own_lines: the lines of the poems that it was taught, if these were somebody's own.
        grader: what it has learned of readers' grades, if it has.
    """

    own_lines: LineIndex | None = None
    grader: Grader | None = None
    _loading = Lock()

    def __init__(self, model: TangRNNForCausalLM | Recurrence, tokenizer: TangTokenizer | Characters):
        check_vocabulary(model, tokenizer)
        self.vocabulary = Vocabulary(tokenizer)
        check_fingerprint(tokenizer, getattr(model.config, "tokenizer_fingerprint", None))
        self._model, self._recurrence, self._laid_out = None, None, None
        if isinstance(model, Recurrence):
            self._recurrence = model
        else:
            self._model = model.eval()
        self._tokenizer = None if isinstance(tokenizer, Characters) else tokenizer
        self.reader = Reader(tokenizer, self.vocabulary)

    @classmethod
    def from_pretrained(cls, name: str | Path = "lstm", **kwargs) -> TangPoet:
        """A poet by name of its cell (``rnn``, ``lstm``, ``gru``: those that ship), folder, or id on the Hub.

        Args:
            kwargs: ``revision`` and ``token`` for the Hub, the rest for the model's ``from_pretrained``.

        Raises:
            PoetError: nothing to be loaded there.
        """
        if not isinstance(name, Path):
            text_of(name, "name")
        path = PRETRAINED / str(name) if str(name) in CELLS else Path(name)
        if not path.is_dir():
            if not re.fullmatch(r"[\w.-]+/[\w.-]+", str(name)):
                raise PoetError("no_folder", folder=str(name), cells=list(CELLS))
            path = cls._download(str(name), **{key: kwargs.pop(key) for key in ("revision", "token") if key in kwargs})
        try:
            model, tokenizer = load(path, **kwargs)
            poet = cls(model, tokenizer)
            check_origin(path, poet.reader.tokenizer)
            poet.own_lines, poet.grader = own_lines(path), grader(path, model.config)
        except Fault as fault:
            raise PoetError("cannot_load", folder=str(name), why=fault) from fault
        return poet

    @staticmethod
    def _download(repo_id: str, **kwargs) -> Path:
        """The Hub's files in its cache; asked for once, so that a Hub out of reach is one error."""
        from huggingface_hub import snapshot_download

        try:
            return Path(snapshot_download(repo_id, allow_patterns=list(LARGEST_FILES), **kwargs))
        except Exception as error:  # no network, no such repository, no access, a malformed id
            raise PoetError("no_download", repo=repo_id, why=first_line(error)) from error

    @property
    def model(self) -> TangRNNForCausalLM:
        """The :class:`TangRNNForCausalLM`, in eval mode.

        A poet from a folder makes it when it is first asked for: to write takes only the weights, and what the model
        stands on takes longer to import than a poem to write.
        """
        with self._loading:
            if self._model is None:
                folder = self._recurrence.folder
                try:
                    self._model = load_model(folder).eval()
                except Fault as fault:
                    raise PoetError("cannot_load", folder=str(folder), why=fault) from fault
        return self._model

    @property
    def tokenizer(self) -> TangTokenizer:
        """The :class:`TangTokenizer`, made like the model when it is first asked for."""
        if self._tokenizer is None:
            from .tokenization_tang_rnn import TangTokenizer

            read = self.reader.tokenizer
            backend = Tokenizer.from_str(read.backend_tokenizer.to_str())  # one's calls are not to change the other
            self._tokenizer = TangTokenizer.of(backend, read.special, read.chat_template)
        return self._tokenizer

    @property
    def recurrence(self) -> Recurrence:
        """The weights laid out for writing, anew where the model's have changed since."""
        if self._model is not None:
            weights = list(self._model.parameters())
            now = [(weight.data_ptr(), 0 if weight.is_inference() else weight._version) for weight in weights]
            if now != self._laid_out:
                self._recurrence = Recurrence(self._model.config, self._model.state_dict())
                self._laid_out = now
        return self._recurrence

    @property
    def second_reader(self) -> SecondReader | None:
        """Who grades lines beside its own grader: of the cells that ship the lstm, and the gru beside an lstm. Nobody
        where it has no grader, other tokens, or was taught somebody's own poems, whose taste no other cell has.
        """
        if self.grader is None or self.own_lines is not None:
            return None
        other = _shipped("gru" if self.cell == "lstm" else "lstm")
        same = other.vocabulary.tokens == self.vocabulary.tokens
        return SecondReader(other.recurrence, other.grader) if same and other.grader else None

    @property
    def cell(self) -> str:
        """The name of its recurrent cell."""
        return (self._model or self._recurrence).config.cell_type

    @property
    def fingerprint(self) -> str:
        """Twelve hexadecimal digits that tell its weights from others, in whatever precision these are held."""
        digest, recurrence = hashlib.sha256(), self.recurrence
        for name in sorted(recurrence.shapes(recurrence.config)):
            digest.update(recurrence.weights[name].detach().cpu().float().contiguous().numpy())
        return digest.hexdigest()[:12]

    # -- writing ------------------------------------------------------------------------------------------------------

    @takes(*WRITING)
    def write(self, opening: str | Sequence[str] = "", **options) -> Poem | list[Poem]:
        """Writes a poem, or several.

        Args:
            opening: the first characters, or a list of them for a batch; empty lets the model begin.
            {options}

        Of several poems the first has the seed and each one after it the next number, opening by opening: no two draw
        the same, be they asked for by `count` or by a list, and each is written again alone by its own ``seed``. Where
        `candidates` is not given, it is 1, but under tonal rules 32 for a quatrain, 96 for a longer poem and 48 where
        characters are fixed by place or words must occur.

        Returns:
            A :class:`Poem`; a list of them, opening by opening, if `opening` is a list or `count` above 1.

        Raises:
            PoetError: an option that cannot be, or an opening that is not Chinese.
            RuleConflict: rules that no poem can keep together.
        """
        poems = list(self.each(opening, **options))
        return poems[0] if isinstance(opening, str) and len(poems) == 1 else poems

    @takes(*WRITING)
    def each(self, opening: str | Sequence[str] = "", *, first: int = 0, **options) -> Iterator[Poem]:
        """The poems of :meth:`write` as they come, a portion written at a time.

        Args:
            opening: as there.
            first: number of the first poem that is given, for who has those before it already.
            {options}

        Raises:
            PoetError, RuleConflict: as there, at once.
        """
        if not isinstance(opening, (str, Sequence)):
            raise PoetError("not_text", name="opening")
        first = FIRST.check(first)
        openings = [opening] if isinstance(opening, str) else list(opening)
        options = checked(options, WRITING)
        count, sampling, candidates = options["count"], Sampling.of(options), options["candidates"]
        seed = new_seed() if options["seed"] is None else options["seed"]
        OPTIONS["seed"].check(seed + max(1, len(openings) * count) - 1)
        requests = [self.reader.request(_opening_of(text), options, seed) for text in openings]
        if candidates is None:
            candidates = max((default_candidates(request.rules) for request in requests), default=1)

        def poems() -> Iterator[Poem]:
            for numbers in portions(len(requests) * count, candidates, first):
                portion = [replace(requests[number // count], seed=seed + number) for number in numbers]
                yield from self.write_all(portion, sampling, candidates)[max(first - numbers.start, 0) :]

        return poems()

    @takes(*STREAMING)
    def stream(self, opening: str = "", **options) -> PoemStream:
        """Writes a poem piece by piece: iterating gives its characters and marks as they come, opening first.

        Takes what :meth:`write` takes but count and candidates, and gives the poem that it gives; afterwards the whole
        is in ``.poem``. Under tonal rules each line is the best of several candidates and comes once all of them are
        written; a poem with characters fixed ahead comes with its end. A beam search cannot be streamed.

        Args:
            opening: the first characters.
            {options}

        Raises:
            PoetError, RuleConflict: as :meth:`write`.
        """
        return PoemStream(self, *self.asked(opening, options))

    def asked(self, opening: str, options: dict) -> tuple[Request, Sampling, int]:
        """What is written where one poem is asked for, how it is drawn, and of how many candidates it is the best.

        Args:
            opening, options: of :meth:`stream`.

        Raises:
            PoetError, RuleConflict: as there.
        """
        options = checked(options, STREAMING, unknown="no_stream_option")
        if options["num_beams"] > 1:
            raise PoetError("beams_do_not_stream")
        seed = new_seed() if options["seed"] is None else options["seed"]
        request = self.reader.request(_opening_of(opening), options, seed)
        return request, Sampling.of(options), default_candidates(request.rules)

    new_seed = staticmethod(new_seed)

    def write_all(self, requests: list[Request], sampling: Sampling, candidates: int) -> list[Poem]:
        """What is asked for, side by side where nothing is fixed ahead: the best of the candidates of each request."""
        if sampling.num_beams > 1:
            rows = beam_search(self.model, self.constraint(requests), self.prompts(requests), sampling)
            return [self._scored(request, tokens) for request, tokens in zip(requests, rows)]
        return Batch(self, requests, sampling, candidates).finish()

    def fixes_ahead(self, request: Request) -> bool:
        """Whether characters are fixed beyond the poem's beginning."""
        return max(self.plan(request).fixed, default=-1) >= len(request.beginning)

    def constraint(self, requests: Sequence[Request]) -> Constraint:
        """What holds a row for each request to its rules; all by one rhyme book."""
        rules = [request.rules for request in requests]
        return Constraint(rules, self.reader.vocabulary_by(requests[0].book), self.reader.tokenizer.bos_token_id)

    def prompts(self, requests: Sequence[Request]) -> list[list[int]]:
        """What is read before the first character is written: ids, a list for each request."""
        texts = [[request.context for request in requests], [request.beginning for request in requests]]
        return self.reader.tokenizer(*texts).input_ids

    def search(self, requests: Sequence[Request], sampling: Sampling, candidates: int, rank: Rank) -> Search:
        """The search for these poems, not yet begun."""
        seeds = [request.seed for request in requests]
        constraint, prompts = self.constraint(requests), self.prompts(requests)
        return Search(self.recurrence, constraint, prompts, seeds, sampling, candidates, rank, self.grader)

    def choice(self, requests: Sequence[Request]) -> Choice:
        """What says which of several texts for these is the best."""
        return Choice(self, requests)

    def plan(self, request: Request) -> Plan:
        """The slots of a poem that is asked for."""
        vocabulary = self.reader.vocabulary_by(request.book)
        return Plan.of(placed(request.rules, vocabulary), vocabulary)

    def poem(self, request: Request, written: Written) -> Poem:
        """The poem that a search has written behind the request's beginning."""
        text = self.plan(request).text(request.beginning, written.tokens)
        return Poem(
            text=text,
            opening=request.opening,
            form=request.rules.form or classify(split_lines(text)).name,
            cell=self.cell,
            seed=request.seed,
            log_prob=written.log_prob,
            strain=written.strain,
            grade=written.grade,
            characters=sum(token != self.vocabulary.unknown for token in written.tokens) + 1,
            poet=request.poet,
            title=request.title,
            rhyme_book=request.book.name,
            own_lines=self.own_lines,
            rules=request.rules,
        )

    def _scored(self, request: Request, written: Sequence[int]) -> Poem:
        """The same where the search does not say how likely the poem is."""
        poem = self.poem(request, Written(written, 0.0, 0.0, 0.0))
        log_prob, characters = self.score(poem.text, request.context, skip=len(request.beginning))
        return replace(poem, log_prob=log_prob, characters=characters)

    @torch.inference_mode()
    def score(self, text: str, context: str = "", skip: int = 0) -> tuple[float, int]:
        """The log probability of a whole poem and how many characters it sums over, the end included.

        Args:
            text: the poem, in any script, with its marks; a character the model does not know is read, not counted.
            context: what stands before it; see ``tokenizer.context``.
            skip: characters at the beginning that are taken as given.
        """
        context, text = text_of(context, "context"), text_of(text, "text")
        tokenizer, recurrence = self.reader.tokenizer, self.recurrence
        (ids,) = tokenizer([context], [text]).input_ids
        ids = torch.tensor([*ids, self.vocabulary.end], device=recurrence.device)
        first = int(ids.eq(tokenizer.bos_token_id).nonzero()[-1]) + 1
        first += replace(SKIP, most=len(ids) - first - 1).check(skip)
        read, targets = ids[None, :first], ids[first:]
        state = recurrence.read_all(read, torch.ones_like(read))
        known = targets.ne(tokenizer.unk_token_id)
        values = recurrence.read_on(targets, state)[0][0][known]
        return float(values.sum()), len(values)


class PoemStream:
    """A poem as it comes: iterate for its pieces; ``poem`` is the whole, once it is finished."""

    def __init__(self, poet: TangPoet, request: Request, sampling: Sampling, candidates: int):
        self._poet, self._request, self._sampling, self._candidates = poet, request, sampling, candidates
        self.poem: Poem | None = None

    def __iter__(self) -> Iterator[str]:
        poet, request = self._poet, self._request
        if poet.fixes_ahead(request):
            (self.poem,) = poet.write_all([request], self._sampling, self._candidates)
            yield from self.poem.text
            return
        yield from request.beginning
        choice, plan = poet.choice([request]), poet.plan(request)
        search = poet.search([request], self._sampling, self._candidates, choice)
        come = len(request.beginning)
        for _ in search:
            for tokens in search.settled().values():
                text = plan.text(request.beginning, tokens)
                yield from text[come:]
                come = len(text)
        found = search.found(0)
        self.poem = choice.best([0] * len(found), found)
        yield from self.poem.text[come:]


@cache
def _shipped(cell: str) -> TangPoet:
    """A cell that ships, read once for all whom it reads for."""
    return TangPoet.from_pretrained(cell)


def _opening_of(text: object) -> str:
    """An opening, where None is none that can be meant."""
    if text is None:
        raise PoetError("not_text", name="opening")
    return OPTIONS["opening"].check(text)


__all__ = ["CELLS", "PRETRAINED", "Poem", "PoemStream", "PoetError", "RuleConflict", "Rules", "Sampling", "TangPoet"]

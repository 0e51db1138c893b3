"""TangPoet: the one call most users make. Loads a checkpoint, writes poems under any rules, streams, scores.

poet = TangPoet.from_pretrained("lstm")
print(poet.write("春", form="五绝", seed=7))
"""

from __future__ import annotations

import hashlib
import random
import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import cache, cached_property
from inspect import signature
from operator import index
from pathlib import Path
from threading import Lock
from typing import TYPE_CHECKING

import torch
from transformers import LogitsProcessorList, RepetitionPenaltyLogitsProcessor

from .checkpoint import load, load_model
from .constraints import Plan, Rules, VerseConstraint, Vocabulary
from .faults import PoetError, RuleConflict, first_line
from .recurrence import Recurrence, select
from .tokenization_tang_rnn import TangTokenizer, check_vocabulary
from .verse import COMMA, FORMS, STOP, Prosody, check, classify, split_lines
from .verse.quotations import corpus_lines

if TYPE_CHECKING:
    from .modeling_tang_rnn import TangRNNForCausalLM

CELLS = ("rnn", "lstm", "gru")
PRETRAINED = Path(__file__).parent / "pretrained"

MAX_TITLE = 12  # characters of a title the model was trained to see
LARGEST_BATCH = 256  # rows written at once
NO_REPEAT = 40  # characters before one may recur: a whole quatrain, most of a longer poem


def default_candidates(regulated: bool, pattern: str | None) -> int:
    """How many are written for each poem, of which the best is kept, where the caller does not say."""
    return 8 if regulated or pattern else 1


@dataclass(frozen=True)
class Poem:
    """A poem as written.

    Attributes:
        text: with its marks, ``春眠不觉晓，处处闻啼鸟。…``
        opening: what it was asked to begin with.
        form: name of the form its lines make.
        cell: the recurrent cell that wrote it.
        seed: writes it again, with the same options.
        log_prob: natural logarithm of its probability under the model, marks and end included, opening and rules not.
        characters: how many characters `log_prob` sums over.
        poet, title: what the model was told beforehand.
    """

    text: str
    opening: str
    form: str
    cell: str
    seed: int
    log_prob: float
    characters: int
    poet: str = ""
    title: str = ""

    @property
    def lines(self) -> list[str]:
        """The lines without marks."""
        return split_lines(self.text)

    @cached_property
    def prosody(self) -> Prosody:
        """What the judge says; see :func:`tang_rnn.verse.check`."""
        return check(self.text, self.form)

    @cached_property
    def quotes(self) -> list[str]:
        """Those of its lines that stand in the corpus, word for word, whoever put them here: old lines, not new ones.

        A line shorter than four characters does not count; see :mod:`tang_rnn.verse.quotations`.
        """
        known = corpus_lines()
        return [line for line in self.lines if line in known]

    def __str__(self) -> str:
        """A couplet a line."""
        return self.text.replace(STOP, STOP + "\n").rstrip("\n")

    def traditional(self) -> Poem:
        """The same poem in traditional characters (OpenCC)."""
        names = ("text", "opening", "title", "poet")
        poem = replace(self, **{name: to_traditional(getattr(self, name)) for name in names})
        # The index has simplified characters, and the way back to them is not always clear.
        poem.__dict__["quotes"] = [new for new, old in zip(poem.lines, self.lines) if old in self.quotes]
        return poem

    def to_dict(self) -> dict:
        """Ready for ``json.dumps``, with the keys of the command's --json."""
        judged = self.prosody
        return {
            "text": self.text,
            "lines": self.lines,
            "form": self.form,
            "cell": self.cell,
            "opening": self.opening,
            "seed": self.seed,
            "log_prob": round(self.log_prob, 4),
            "quotes": self.quotes,
            "prosody": {
                "pattern": judged.pattern,
                "rhyme_group": judged.rhyme_group,
                "violations": [violation.name for violation in judged.violations],
            },
        }


@cache
def _opencc():
    import opencc

    return opencc.OpenCC("s2t")


def to_traditional(text: str) -> str:
    """Simplified to traditional characters, by words where they decide."""
    return _opencc().convert(text)


@dataclass(frozen=True)
class Sampling:
    """How the next character is drawn; names and meaning as in ``transformers.GenerationConfig``."""

    temperature: float = 0.8
    top_k: int = 64
    top_p: float = 0.9
    num_beams: int = 1
    repetition_penalty: float = 1.0

    def __post_init__(self):
        if not 0 < self.temperature <= 10:
            raise PoetError(f"temperature must be above 0 and at most 10, not {self.temperature}")
        if not 0 < self.top_p <= 1:
            raise PoetError(f"top_p must be above 0 and at most 1, not {self.top_p}")
        if self.top_k < 0:
            raise PoetError(f"top_k must be 0 (all) or more, not {self.top_k}")
        if not 1 <= self.num_beams <= 16:
            raise PoetError(f"num_beams must be between 1 and 16, not {self.num_beams}")
        if not 0 < self.repetition_penalty <= 10:
            raise PoetError(f"repetition_penalty must be above 0 and at most 10, not {self.repetition_penalty}")

    def draw(self, scores: torch.Tensor, uniform: torch.Tensor) -> torch.Tensor:
        """One token a row by inversion: scores (B, V), uniform (B,) in [0, 1) -> (B,).

        The random numbers come from outside, so that a row draws the same whatever stands beside it.
        """
        k = min(self.top_k or scores.shape[1], scores.shape[1])
        scores, tokens = scores.topk(k, sorted=True)
        probs = (scores / self.temperature).softmax(1)
        before = probs.cumsum(1) - probs
        probs = probs.masked_fill(before >= self.top_p, 0.0)  # nucleus (Holtzman et al. 2020), the first always stays
        cumulative = probs.cumsum(1)
        choice = (cumulative <= uniform[:, None] * cumulative[:, -1:]).sum(1, keepdim=True)
        choice = choice.clamp(max=k - 1)
        return tokens.gather(1, choice)[:, 0]


@dataclass
class _Job:
    """One poem to be written: its rules, what the model is told, and its seed."""

    rules: Rules
    context: str
    opening: str  # as asked
    laid_out: str  # with the form's marks
    seed: int
    poet: str
    title: str


@contextmanager
def _opening(what: str, hint: str) -> Iterator[None]:
    """Whatever goes wrong while a folder is opened becomes a :class:`PoetError`."""
    try:
        yield
    except (KeyboardInterrupt, SystemExit):
        raise
    except BaseException as error:  # each library has classes of its own, tokenizers one that is no Exception
        raise PoetError(f"cannot load {what}: {first_line(error)}; {hint}") from error


class TangPoet:
    """A model and its tokenizer, ready to write.

    Args:
        model: a :class:`TangRNNForCausalLM`, or its weights alone.

    Attributes:
        tokenizer: the :class:`TangTokenizer`.
        vocabulary: what its tokens are to the rules.
    """

    _loading = Lock()

    def __init__(self, model: TangRNNForCausalLM | Recurrence, tokenizer: TangTokenizer):
        try:
            check_vocabulary(model, tokenizer)
            self.vocabulary = Vocabulary(tokenizer)
        except ValueError as error:
            raise PoetError(str(error)) from None
        self._model, self._recurrence, self._laid_out = None, None, None
        if isinstance(model, Recurrence):
            self._recurrence = model
        else:
            self._model = model.eval()
        self.tokenizer = tokenizer

    @classmethod
    def from_pretrained(cls, name: str | Path = "lstm", **kwargs) -> TangPoet:
        """A poet by name of its cell (``rnn``, ``lstm``, ``gru``: those that ship), folder, or id on the Hub.

        Args:
            kwargs: ``revision`` and ``token`` for the Hub, the rest for the model's ``from_pretrained``.

        Raises:
            PoetError: nothing to be loaded there.
        """
        path = PRETRAINED / str(name) if str(name) in CELLS else Path(name)
        hint = f"name a cell ({', '.join(CELLS)}), a folder or a Hub id such as someone/tang-lstm"
        if not path.is_dir():
            if not re.fullmatch(r"[\w.-]+/[\w.-]+", str(name)):
                raise PoetError(f"there is no folder {str(name)!r}; {hint}")
            path = cls._download(str(name), **{key: kwargs.pop(key) for key in ("revision", "token") if key in kwargs})
        with _opening(f"{str(name)!r}", hint):
            return cls(*load(path, **kwargs))

    @staticmethod
    def _download(repo_id: str, **kwargs) -> Path:
        """The Hub's files in its cache; asked for once, so that a Hub out of reach is one error."""
        from huggingface_hub import snapshot_download

        try:
            return Path(snapshot_download(repo_id, allow_patterns=["*.json", "*.safetensors"], **kwargs))
        except Exception as error:  # no network, no such repository, no access, a malformed id
            raise PoetError(f"cannot get {repo_id!r} from the Hub: {first_line(error)}") from error

    @property
    def model(self) -> TangRNNForCausalLM:
        """The :class:`TangRNNForCausalLM`, in eval mode.

        A poet from a folder makes it when it is first asked for: to write takes only the weights, and what the model
        stands on takes longer to import than a poem to write.
        """
        with self._loading:
            if self._model is None:
                with _opening(f"the model in {str(self._recurrence.folder)!r}", "its weights alone can be read"):
                    self._model = load_model(self._recurrence.folder).eval()
        return self._model

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

    def write(
        self,
        opening: str | Sequence[str] = "",
        *,
        form: str | None = None,
        count: int = 1,
        seed: int | None = None,
        candidates: int | None = None,
        poet: str = "",
        title: str = "",
        regulated: bool = False,
        pattern: str | None = None,
        rhyme: str | bool | None = None,
        acrostic: str = "",
        acrostic_tail: str = "",
        avoid: str = "",
        num_lines: int | None = None,
        **sampling,
    ) -> Poem | list[Poem]:
        """Writes a poem, or several.

        Args:
            opening: the first characters, or a list of them for a batch; empty lets the model begin.
            form: a name from ``FORMS``; None leaves it to the model, or to the rules (an acrostic of four is a 七绝).
            count: poems for each opening.
            seed: of the first poem; the next ones take the numbers after it. None: another each time.
            candidates: how many are written for each poem, of which the best is kept, see :func:`rank` (default: 8
                under tonal rules, else 1).
            poet: one to imitate, of ``tokenizer.poets``.
            title: a title or theme.
            regulated, pattern, rhyme, acrostic, acrostic_tail, avoid, num_lines: see :class:`Rules`.
            sampling: temperature, top_k, top_p, num_beams, repetition_penalty; see :class:`Sampling`.

        Returns:
            A :class:`Poem`; a list of them, opening by opening, if `opening` is a list or `count` above 1.

        Raises:
            PoetError: an option that cannot be, or an opening with a character the model does not know.
            RuleConflict: rules that no poem can keep together.
        """
        options = self._sampling(sampling)
        openings = [opening] if isinstance(opening, str) else list(opening)
        if count < 1:
            raise PoetError(f"count must be 1 or more, not {count}")
        if candidates is not None and not 1 <= candidates <= 64:
            raise PoetError(f"candidates must be between 1 and 64, not {candidates}")
        if options.num_beams > 1 and (count > 1 or candidates is not None):
            raise PoetError("beam search draws nothing and finds one poem: leave out count and candidates")
        seed = self._seed(seed)
        self._seed(seed + count - 1)
        rules = dict(
            form=form,
            regulated=regulated,
            pattern=pattern,
            rhyme=rhyme,
            acrostic=acrostic,
            acrostic_tail=acrostic_tail,
            avoid=avoid,
            num_lines=num_lines,
        )
        jobs = [self._job(text, rules, poet, title, seed + number) for text in openings for number in range(count)]
        if candidates is None:
            candidates = default_candidates(regulated, pattern)
        poems: list[Poem] = []
        at_once = max(1, LARGEST_BATCH // candidates)
        for first in range(0, len(jobs), at_once):
            poems += self._write(jobs[first : first + at_once], options, candidates)
        return poems[0] if count == 1 and isinstance(opening, str) else poems

    def stream(self, opening: str = "", *, seed: int | None = None, **options) -> PoemStream:
        """Writes a poem piece by piece: iterating gives its characters and marks as they come, opening first.

        Takes what :meth:`write` takes but count and candidates; afterwards the whole poem is in ``.poem``.
        """
        names = Sampling.__dataclass_fields__
        known = {*signature(self.write).parameters, *names} - {"count", "candidates", "sampling"}
        if unknown := sorted(set(options) - known):
            raise PoetError(f"stream takes the options of write but count and candidates, not {', '.join(unknown)}")
        sampling = self._sampling({name: options.pop(name) for name in list(options) if name in names})
        if sampling.num_beams > 1:
            raise PoetError("beam search knows the poem only at its end and cannot be streamed")
        poet, title = options.pop("poet", ""), options.pop("title", "")
        return PoemStream(self, self._job(opening, options, poet, title, self._seed(seed)), sampling)

    def _sampling(self, options: dict) -> Sampling:
        names = Sampling.__dataclass_fields__
        if unknown := sorted(set(options) - set(names)):
            raise PoetError(f"no option {', '.join(unknown)}; sampling has {', '.join(names)}")
        try:
            return Sampling(**options)
        except TypeError:
            raise PoetError(f"{', '.join(options)}: give numbers") from None

    @staticmethod
    def new_seed() -> int:
        """A seed of its own for each call, independent of ``random`` and ``torch``."""
        return random.SystemRandom().randrange(2**31)

    @classmethod
    def _seed(cls, seed: int | None) -> int:
        if seed is None:
            return cls.new_seed()
        try:
            seed = index(seed)
        except TypeError:
            raise PoetError(f"seed must be a whole number, not {seed!r}") from None
        if not 0 <= seed < 2**53:
            raise PoetError(f"seed must be between 0 and 2^53 - 1, not {seed}")
        return seed

    def _job(self, opening: str, rules: dict, poet: str, title: str, seed: int) -> _Job:
        texts = {name: rules.get(name) or "" for name in ("acrostic", "acrostic_tail", "avoid")}
        for name, text in texts.items():
            text = self.tokenizer.normalize(text) if name == "avoid" else self._known(text, name)
            texts[name] = "".join(split_lines(text))
        asked = self._known(opening, "the opening")
        names = {name: rules.get(name) and self.tokenizer.normalize(rules[name]) for name in ("form", "pattern")}
        rules = Rules(**rules | texts | names)
        rules = replace(rules, form=self._form(rules), no_repeat=NO_REPEAT, distinct_ends=True)
        if rules.kind is not None:
            asked = "".join(split_lines(asked))  # the form sets its own marks
            rules = replace(rules, opening=asked)
        elif asked and asked[0] in COMMA + STOP:
            raise PoetError(f"a poem cannot begin with {asked[0]!r}")
        elif barred := [char for char in asked if char in rules.avoid]:
            raise RuleConflict(f"the opening asks for {barred[0]!r}, which is to be avoided")
        context, poet, title = self.told(rules.form, poet, title)
        laid_out = Plan.of(rules, self.vocabulary).lay_out(asked)
        return _Job(rules, context, asked, laid_out, seed, poet, title)

    def told(self, form: str | None, poet: str | None, title: str | None) -> tuple[str, str, str]:
        """What a model is told before a poem: as the text that says it, and of that the poet and the title.

        Raises:
            PoetError: a poet the model does not know. Of a title, characters it does not know are left out.
        """
        poet = self.tokenizer.normalize(poet or "")
        if poet and poet not in self.tokenizer.poets:
            raise PoetError(f"the model does not know the poet {poet!r}; it knows {' '.join(self.tokenizer.poets)}")
        title = "".join(char for char in self.tokenizer.normalize(title or "") if char in self.vocabulary.ids)
        title = title.replace(COMMA, "").replace(STOP, "")[:MAX_TITLE]
        return self.tokenizer.context(FORMS[form].token if form else "", poet, title), poet, title

    @staticmethod
    def _form(rules: Rules) -> str | None:
        """The form asked for, or the one that the rules need."""
        if rules.form is not None:
            return rules.form
        if rules.pattern:
            if rules.pattern[:2] not in FORMS:
                raise RuleConflict(f"no pattern {rules.pattern!r}: give one such as 七绝平起首句入韵")
            return rules.pattern[:2]
        if lines := max(len(rules.acrostic), len(rules.acrostic_tail)) or rules.num_lines:
            if rules.regulated and lines not in (4, 8) and (lines < 10 or lines % 2):
                raise RuleConflict(f"regulated verse has 4, 8, or an even number of lines from 10, not {lines}")
            return {4: "七绝", 8: "七律"}.get(lines, "七排" if rules.regulated else "七古")
        return "七绝" if rules.regulated or rules.rhyme else None

    def _known(self, text: str, name: str) -> str:
        """The text in the model's characters.

        Raises:
            PoetError: naming the first character the model does not know, with close ones.
        """
        if len(text) > 400:
            raise PoetError(f"{name} is too long: {len(text)} characters, at most 400")
        text = self.tokenizer.normalize(text)
        for char in text:
            if char not in self.vocabulary.ids:
                close = self.close_characters(char)
                hint = f"close to it are {' '.join(close)}" if close else "try a Chinese character such as 春 月 山 秋"
                raise PoetError(f"the model does not know {char!r} in {name}; {hint}")
        return text

    def close_characters(self, char: str, most: int = 5) -> list[str]:
        """Characters the model knows read like one it does not: of the same rhyme groups, frequent first."""
        book = self.vocabulary.book
        readings = set(book.readings(char))
        if not readings:
            return []
        same = [token for token in self.vocabulary.ids if set(book.readings(token)) == readings]
        return same[:most]  # the vocabulary is in order of frequency

    # -- the loop -----------------------------------------------------------------------------------------------------

    def _write(self, jobs: list[_Job], sampling: Sampling, candidates: int) -> list[Poem]:
        """The best of the candidates of each job."""
        if sampling.num_beams > 1:
            return self._search(jobs, sampling)
        run = _Run(self, jobs, sampling, candidates)
        for _ in run:
            pass
        return run.poems()

    @torch.inference_mode()
    def _search(self, jobs: list[_Job], sampling: Sampling) -> list[Poem]:
        """Beam search, transformers' own; it draws nothing, so the seed does not matter."""
        inputs = self._inputs(jobs)
        constraint = VerseConstraint([job.rules for job in jobs], self.vocabulary, self.tokenizer.bos_token_id)
        output = self.model.generate(
            **inputs,
            do_sample=False,
            num_beams=sampling.num_beams,
            repetition_penalty=sampling.repetition_penalty,
            logits_processor=LogitsProcessorList([constraint]),
            max_new_tokens=constraint.num_slots + 1,
            top_k=None,
            top_p=None,
            temperature=None,
        )[:, inputs["input_ids"].shape[1] :]
        poems = []
        for job, row in zip(jobs, output.tolist()):
            end = row.index(self.tokenizer.eos_token_id) if self.tokenizer.eos_token_id in row else len(row)
            poem = self._poem(job, row[:end], 0.0)
            log_prob, characters = self.score(poem.text, job.context, skip=len(job.laid_out))
            poems.append(replace(poem, log_prob=log_prob, characters=characters))
        return poems

    def _inputs(self, jobs: list[_Job]) -> dict[str, torch.Tensor]:
        rows = self.tokenizer([job.context for job in jobs], [job.laid_out for job in jobs]).input_ids
        # Padded here and not by the tokenizer: to tell it so would change it, while other threads read with it.
        width = max(map(len, rows))
        ids = torch.tensor([[self.tokenizer.pad_token_id] * (width - len(row)) + row for row in rows])
        mask = torch.tensor([[0] * (width - len(row)) + [1] * len(row) for row in rows])
        return {"input_ids": ids.to(self.recurrence.device), "attention_mask": mask.to(self.recurrence.device)}

    def _poem(self, job: _Job, written: list[int], log_prob: float) -> Poem:
        text = job.laid_out + "".join(self.vocabulary.tokens[token] for token in written)
        return Poem(
            text=text,
            opening=job.opening,
            form=job.rules.form or classify(split_lines(text)).name,
            cell=self.cell,
            seed=job.seed,
            log_prob=log_prob,
            characters=len(written) + 1,
            poet=job.poet,
            title=job.title,
        )

    @torch.inference_mode()
    def score(self, text: str, context: str = "", skip: int = 0) -> tuple[float, int]:
        """The log probability of a whole poem and how many characters it sums over, the end included.

        Args:
            text: the poem, in any script, with its marks.
            context: what stands before it; see ``tokenizer.context``.
            skip: characters at the beginning that are taken as given.
        """
        ids = self.tokenizer(context, text, return_tensors="pt").input_ids.to(self.model.device)
        ids = torch.cat([ids, ids.new_tensor([[self.tokenizer.eos_token_id]])], 1)
        first = int(ids[0].eq(self.tokenizer.bos_token_id).nonzero()[-1]) + skip
        logits = self.model(ids[:, :-1], use_cache=False).logits[0, first:]
        values = logits.float().log_softmax(1).gather(1, ids[0, first + 1 :, None])
        return float(values.sum()), len(values)


class _Run:
    """Rows being written side by side; iterating gives the tokens just written by the rows that had not ended."""

    def __init__(self, poet: TangPoet, jobs: list[_Job], sampling: Sampling, candidates: int):
        self.poet, self.jobs, self.sampling, self.candidates = poet, jobs, sampling, candidates

    @torch.inference_mode()
    def __iter__(self) -> Iterator[torch.Tensor]:
        poet, recurrence, end = self.poet, self.poet.recurrence, self.poet.tokenizer.eos_token_id
        constraint = VerseConstraint([job.rules for job in self.jobs], poet.vocabulary, poet.tokenizer.bos_token_id)
        steps = constraint.num_slots + 1
        inputs = poet._inputs(self.jobs)
        ids = inputs["input_ids"]
        # Each row draws all its random numbers at the start, from its own seed.
        noise = torch.stack(
            [
                torch.rand(steps, generator=torch.Generator().manual_seed(job.seed * 64 + number))
                for job in self.jobs
                for number in range(self.candidates)
            ]
        ).to(ids.device)
        penalty = None
        if self.sampling.repetition_penalty != 1:
            penalty = RepetitionPenaltyLogitsProcessor(self.sampling.repetition_penalty)
        self.log_probs = torch.zeros(len(noise), device=ids.device)
        self.written = torch.full(noise.shape, end, device=ids.device)
        # What is asked is read once for all candidates.
        rows = torch.arange(len(noise), device=ids.device)
        state, progress = recurrence.read_all(**inputs), constraint.read(ids)
        if self.candidates > 1:
            jobs = rows // self.candidates
            state, progress, ids = select(state, jobs), progress.select(jobs), ids[jobs]
        for step in range(steps):
            logits = recurrence.logits(state).float()  # (B, V)
            scores = constraint.apply(progress, penalty(ids, logits) if penalty else logits)
            token = self.sampling.draw(scores, noise[:, step])
            self.log_probs[rows] += logits.log_softmax(1).gather(1, token[:, None])[:, 0]
            self.written[rows, step] = token
            yield token
            going_on = token.ne(end)
            if not bool(going_on.all()):  # the others leave the batch
                left = going_on.nonzero()[:, 0]
                if not len(left):
                    return
                state, progress = select(state, left), progress.select(left)
                rows, noise, ids, token = rows[left], noise[left], ids[left], token[left]
            state, progress = recurrence.step(token, state), constraint.advance(progress, token)
            if penalty:
                ids = torch.cat([ids, token[:, None]], 1)

    def poems(self) -> list[Poem]:
        """Of each job the best candidate."""
        poems, end = [], self.poet.tokenizer.eos_token_id
        for row, (tokens, log_prob) in enumerate(zip(self.written.tolist(), self.log_probs.tolist())):
            job = self.jobs[row // self.candidates]
            poems.append(self.poet._poem(job, tokens[: tokens.index(end)], log_prob))
        groups = [poems[first : first + self.candidates] for first in range(0, len(poems), self.candidates)]
        return poems if self.candidates == 1 else [max(group, key=rank) for group in groups]


def rank(poem: Poem) -> tuple[int, float]:
    """What the better of two candidates has more of: lines of its own first, then probability per character.

    The likeliest lines of all are those the model has by heart, so probability alone would choose quotations.
    """
    return -len(poem.quotes), poem.log_prob / poem.characters


class PoemStream:
    """A poem as it comes: iterate for its pieces; ``poem`` is the whole, once it is finished."""

    def __init__(self, poet: TangPoet, job: _Job, sampling: Sampling):
        self._run, self._opening = _Run(poet, [job], sampling, 1), job.laid_out
        self.poem: Poem | None = None

    def __iter__(self) -> Iterator[str]:
        yield from self._opening
        tokens, end = self._run.poet.vocabulary.tokens, self._run.poet.tokenizer.eos_token_id
        for token in self._run:
            if int(token) != end:
                yield tokens[int(token)]
        (self.poem,) = self._run.poems()


__all__ = ["CELLS", "Poem", "PoemStream", "PoetError", "RuleConflict", "Rules", "Sampling", "TangPoet"]

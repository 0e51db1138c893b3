"""TangPoet: the one call most users make. Loads a checkpoint, writes poems under any rules, streams, scores.

poet = TangPoet.from_pretrained("lstm")
print(poet.write("春", form="五绝", seed=7))
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from inspect import signature
from pathlib import Path
from threading import Lock
from typing import TYPE_CHECKING

import torch

from .checkpoint import load, load_model
from .faults import PoetError, RuleConflict, first_line
from .recurrence import Recurrence
from .rules import Rules, VerseConstraint, Vocabulary
from .tokenization_tang_rnn import TangTokenizer, check_vocabulary
from .verse import classify, split_lines
from .writing.poem import Poem
from .writing.ranking import choose
from .writing.request import Request, RequestReader, check_seed, default_candidates, new_seed
from .writing.sampling import Sampling
from .writing.search import Search, beam_search, portions

if TYPE_CHECKING:
    from .modeling_tang_rnn import TangRNNForCausalLM

CELLS = ("rnn", "lstm", "gru")
PRETRAINED = Path(__file__).parent / "pretrained"


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
        reader: puts what is asked into their terms.
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
        self.reader = RequestReader(tokenizer, self.vocabulary)

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
        seed = check_seed(seed)
        check_seed(seed + count - 1)
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
        requests = [
            self.reader.request(text, rules, poet, title, seed + number) for text in openings for number in range(count)
        ]
        if candidates is None:
            candidates = default_candidates(regulated, pattern)
        poems: list[Poem] = []
        for numbers in portions(len(requests), candidates):
            poems += self._write([requests[number] for number in numbers], options, candidates)
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
        request = self.reader.request(opening, options, poet, title, check_seed(seed))
        return PoemStream(self, request, sampling)

    def _sampling(self, options: dict) -> Sampling:
        names = Sampling.__dataclass_fields__
        if unknown := sorted(set(options) - set(names)):
            raise PoetError(f"no option {', '.join(unknown)}; sampling has {', '.join(names)}")
        try:
            return Sampling(**options)
        except TypeError:
            raise PoetError(f"{', '.join(options)}: give numbers") from None

    new_seed = staticmethod(new_seed)

    def _write(self, requests: list[Request], sampling: Sampling, candidates: int) -> list[Poem]:
        """The best of the candidates of each request."""
        if sampling.num_beams > 1:
            rows = beam_search(self.model, self.constraint(requests), self.prompts(requests), sampling)
            return [self._scored(request, tokens) for request, tokens in zip(requests, rows)]
        search = self.search(requests, sampling, candidates)
        return [
            choose([self.poem(request, tokens, log_prob) for tokens, log_prob in rows])
            for request, rows in zip(requests, search.finish())
        ]

    def constraint(self, requests: Sequence[Request]) -> VerseConstraint:
        """What holds a row for each request to its rules."""
        rules = [request.rules for request in requests]
        return VerseConstraint(rules, self.vocabulary, self.tokenizer.bos_token_id)

    def prompts(self, requests: Sequence[Request]) -> list[list[int]]:
        """What is read before the first character is written: ids, a list for each request."""
        texts = [[request.context for request in requests], [request.beginning for request in requests]]
        return self.tokenizer(*texts).input_ids

    def search(self, requests: Sequence[Request], sampling: Sampling, candidates: int = 1) -> Search:
        """The search for these poems, not yet begun."""
        seeds = [request.seed for request in requests]
        constraint, prompts = self.constraint(requests), self.prompts(requests)
        return Search(self.recurrence, constraint, prompts, seeds, sampling, candidates)

    def poem(self, request: Request, written: Sequence[int], log_prob: float) -> Poem:
        """The poem that a search has written: its tokens behind the request's beginning, without the end."""
        text = request.beginning + "".join(self.vocabulary.tokens[token] for token in written)
        return Poem(
            text=text,
            opening=request.opening,
            form=request.rules.form or classify(split_lines(text)).name,
            cell=self.cell,
            seed=request.seed,
            log_prob=log_prob,
            characters=len(written) + 1,
            poet=request.poet,
            title=request.title,
        )

    def _scored(self, request: Request, written: Sequence[int]) -> Poem:
        """The same where the search does not say how likely the poem is."""
        poem = self.poem(request, written, 0.0)
        log_prob, characters = self.score(poem.text, request.context, skip=len(request.beginning))
        return replace(poem, log_prob=log_prob, characters=characters)

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


class PoemStream:
    """A poem as it comes: iterate for its pieces; ``poem`` is the whole, once it is finished."""

    def __init__(self, poet: TangPoet, request: Request, sampling: Sampling):
        self._poet, self._request, self._search = poet, request, poet.search([request], sampling)
        self.poem: Poem | None = None

    def __iter__(self) -> Iterator[str]:
        yield from self._request.beginning
        vocabulary = self._poet.vocabulary
        for token in self._search:
            if int(token) != vocabulary.end:
                yield vocabulary.tokens[int(token)]
        ((tokens, log_prob),) = self._search.rows
        self.poem = self._poet.poem(self._request, tokens, log_prob)


__all__ = ["CELLS", "PRETRAINED", "Poem", "PoemStream", "PoetError", "RuleConflict", "Rules", "Sampling", "TangPoet"]

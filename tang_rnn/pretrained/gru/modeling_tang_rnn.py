"""The TangRNN language model: embedding, recurrent layers, projection, tied output layer.

Shapes in the comments: B rows, T time steps, E embedding_size, H hidden_size, V vocab_size.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable
from contextlib import nullcontext
from dataclasses import dataclass
from pathlib import Path

import torch
from safetensors import SafetensorError
from torch import nn
from torch.func import functional_call
from torch.nn import functional as F
from torch.nn.utils.rnn import PackedSequence, pack_padded_sequence, pad_packed_sequence
from transformers import GenerationMixin, PreTrainedModel
from transformers import initialization as init
from transformers.cache_utils import Cache, LinearAttentionLayer
from transformers.utils import ModelOutput, logging

from .cells import CELLS
from .configuration_tang_rnn import TangRNNConfig
from .files import written_beside

logger = logging.get_logger(__name__)

# What from_pretrained looks for: one file, or an index and its shards.
WEIGHT_FILE = re.compile(r"model(-\d{5}-of-\d{5})?\.safetensors(\.index\.json)?")


class PastStateOutput(ModelOutput):
    """An output whose `past_state` is found as `cache` too, and as `cache_params`.

    `generate` looks for a state under the second name up to transformers 5.23 and under the first since; the field has
    a third, because the names that transformers once had for it are not free: 5.24 renames them where they are given.
    """

    NAMES = ("cache", "cache_params")

    @property
    def cache(self) -> Cache | None:
        return self.past_state

    @property
    def cache_params(self) -> Cache | None:
        return self.past_state

    def __contains__(self, key):
        return super().__contains__("past_state" if key in self.NAMES else key)

    def __getitem__(self, key):
        return super().__getitem__("past_state" if key in self.NAMES else key)

    def get(self, key, default=None):
        return super().get("past_state" if key in self.NAMES else key, default)


@dataclass
class TangRNNOutput(PastStateOutput):
    """
    Attributes:
        last_hidden_state (`torch.FloatTensor` of shape `(B, T, E)`): what the output layer is applied to.
        past_state (`Cache`): the past state after the last step, to be passed to the next call as `cache`.
        hidden_states (`tuple(torch.FloatTensor)`): the embedding `(B, T, E)` and each layer's output `(B, T, H)`.
    """

    last_hidden_state: torch.FloatTensor | None = None
    past_state: Cache | None = None
    hidden_states: tuple[torch.FloatTensor, ...] | None = None


@dataclass
class TangRNNCausalLMOutput(PastStateOutput):
    """
    Attributes:
        loss (`torch.FloatTensor` of shape `()`): mean cross entropy in nats, when labels were given.
        logits (`torch.FloatTensor` of shape `(B, T, V)`): None where `return_logits=False` asked for the loss alone.
        past_state (`Cache`): the past state after the last step, to be passed to the next call as `cache`.
        hidden_states (`tuple(torch.FloatTensor)`): the embedding `(B, T, E)` and each layer's output `(B, T, H)`.
    """

    loss: torch.FloatTensor | None = None
    logits: torch.FloatTensor | None = None
    past_state: Cache | None = None
    hidden_states: tuple[torch.FloatTensor, ...] | None = None


def locked_dropout(x: torch.Tensor, p: float, training: bool) -> torch.Tensor:
    """Dropout with one mask per row for all its time steps (Gal & Ghahramani 2016). x: (B, T, features)."""
    if not training or p == 0:
        return x
    return x * F.dropout(x.new_ones(x.shape[0], 1, x.shape[2]), p)


class LinearCrossEntropy(torch.autograd.Function):
    """Summed cross entropy of a linear output layer that never holds all logits at once.

    The gradient is computed in the same pass as the loss, a block of rows at a time: the block's logits stay in the
    processor's cache, which is what makes it faster than ``cross_entropy(linear(x))`` on large vocabularies. Under
    autocast the three products are computed in its dtype, all else in float32.
    Method: Hsu et al. 2024, *Liger Kernel*, section 3.2.

    hidden: (N, E), weight: (V, E), offset: (V,) added to the logits, labels: (N,) without ignored ones, or (N, V), a
    distribution for each row. Returns a scalar.
    """

    BLOCK = 256  # rows: 256 x 6,500 float32 logits are 6.6 MB; of a GPU, where launching costs, 32 times as many

    @staticmethod
    def forward(ctx, hidden, weight, offset, labels):
        device = hidden.device.type
        dtype = torch.get_autocast_dtype(device) if torch.is_autocast_enabled(device) else weight.dtype
        needed = ctx.needs_input_grad
        grad_hidden = torch.empty_like(hidden) if needed[0] else None
        grad_weight = torch.zeros_like(weight) if needed[1] else None
        hidden, weight = hidden.to(dtype), weight.to(dtype)
        loss = hidden.new_zeros((), dtype=torch.float32)
        block = LinearCrossEntropy.BLOCK * (1 if device == "cpu" else 32)
        for start in range(0, len(labels), block):
            rows = slice(start, start + block)
            logits = (hidden[rows] @ weight.T).float()  # (n, V)
            if offset is not None:
                logits += offset
            target = labels[rows] if labels.ndim > 1 else labels[rows, None]
            loss -= (logits * target if labels.ndim > 1 else logits.gather(1, target)).sum()
            largest = logits.amax(1, keepdim=True)
            softmax = logits.sub_(largest).exp_()  # in place, and a single pass of exp for loss and gradient
            total = softmax.sum(1, keepdim=True)
            loss += (total.log() + largest).sum()
            if needed[0] or needed[1]:
                delta = softmax.div_(total)  # less what it should be
                if labels.ndim > 1:
                    delta -= target
                else:
                    delta.scatter_add_(1, target, delta.new_full(target.shape, -1.0))
                delta = delta.to(dtype)
                if needed[0]:
                    grad_hidden[rows] = delta @ weight
                if needed[1]:
                    grad_weight += delta.T @ hidden[rows]
        ctx.save_for_backward(grad_hidden, grad_weight)
        return loss

    @staticmethod
    def backward(ctx, grad_loss):
        return tuple(None if grad is None else grad * grad_loss for grad in ctx.saved_tensors) + (None, None)


def sampled_classes(labels: torch.Tensor, size: int, count: int) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Stands in for a vocabulary of `size` tokens, most frequent first, while training: `count` of them and the labels.

    The most frequent three quarters of `count` are always there, and so are the labels; the rest of the vocabulary,
    seldom likely, is represented by a sample, each of whose probabilities counts for those not drawn. So the softmax
    denominator is estimated without bias (Jean et al. 2015, *On Using Very Large Target Vocabulary*, without their
    approximation of one sample for all).

    labels: (N,). Returns classes (C,), what to add to their logits (C,), and the labels as places in classes (N,).
    """
    head = 3 * count // 4
    is_label = torch.zeros(size, dtype=torch.bool, device=labels.device)
    is_label[labels] = True
    rest = (~is_label[head:]).nonzero()[:, 0] + head
    drawn = rest[torch.randperm(len(rest), device=labels.device)[: count - head]]
    known = torch.cat([torch.arange(head, device=labels.device), is_label[head:].nonzero()[:, 0] + head])
    classes = torch.cat([known, drawn])
    offset = torch.zeros(len(classes), device=labels.device)
    if len(drawn):
        offset[len(known) :] = math.log(len(rest) / len(drawn))
    places = torch.empty(size, dtype=torch.long, device=labels.device)
    places[known] = torch.arange(len(known), device=labels.device)
    return classes, offset, places[labels]


def is_plain(module: nn.Module, kind: type[nn.Module]) -> bool:
    """Whether calling this module does what its class does: no tool has wrapped it, replaced it or hooked into it.

    Only then may its weights be used without calling it.
    """
    hooks = module._forward_pre_hooks or module._forward_hooks or module._backward_hooks or module._backward_pre_hooks
    return type(module) is kind and not hooks and "forward" not in vars(module)


def cudnn_dtype(x: torch.Tensor) -> torch.dtype | None:
    """What autocast asks for on a GPU: torch would hand cuDNN float16 whatever that is, and wants weights of one dtype.
    None elsewhere."""
    device = x.device.type
    return torch.get_autocast_dtype(device) if device == "cuda" and torch.is_autocast_enabled(device) else None


def is_exporting() -> bool:
    """Whether torch.export is looking on; torch can be asked so since 2.7."""
    return getattr(torch.compiler, "is_exporting", torch.compiler.is_compiling)()


def exportable_scan() -> Callable:
    """torch's loop over a dimension of unknown size, which has no public place yet."""
    try:
        from torch._higher_order_ops.scan import scan
    except ImportError as error:
        raise NotImplementedError(f"this release of torch cannot export a row of any length: {error}") from error
    return scan


class TangRNNLayer(nn.Module):
    """One recurrent layer: torch's own, with DropConnect on its hidden-to-hidden weights while training."""

    def __init__(self, config: TangRNNConfig, input_size: int, input_std: float):
        super().__init__()
        self.kind = CELLS[config.cell_type]
        self.cell = self.kind.layer(input_size, config.hidden_size, batch_first=True)
        self.cell.input_std = input_std  # of an untrained model, for _init_weights
        self.hidden_size, self.recurrent_dropout = config.hidden_size, config.recurrent_dropout

    def forward(
        self,
        x: torch.Tensor,
        state: tuple[torch.Tensor, ...] | None,
        lengths: torch.Tensor | None = None,
        mask: torch.Tensor | None = None,
    ) -> tuple[torch.Tensor, tuple[torch.Tensor, ...]]:
        """x: (B, T, in), state: tensors (1, B, H), lengths: (B,) on the CPU where rows end early.

        While torch.export looks on, mask: (B, T) instead of lengths.
        Returns the outputs (B, T, H) and the state after each row's last step.
        """
        if state is None:
            state = (x.new_zeros(1, x.shape[0], self.hidden_size),) * len(self.kind.states)
        single = type(x.shape[1]) is int and x.shape[1] == 1  # of a length that is not fixed nothing is asked
        if is_exporting() and not (single and mask is None):
            return self._scan(x, state, mask)
        plain, run = is_plain(self.cell, self.kind.layer), self.cell
        if self.training and (self.recurrent_dropout > 0 or plain and cudnn_dtype(x)):
            run = self._with_dropped_weights if plain else self._with_dropped_weights_through_hooks
        elif single and lengths is None and plain:
            # oneDNN lays out an LSTM's weights anew at each call, which takes five times as long as the step itself.
            state = tuple(tensor[0] for tensor in state)
            state = self.kind.taken(self.kind.single(x[:, 0], self.kind.given(state), *self._weights()))
            return state[0][:, None], tuple(tensor[None] for tensor in state)
        if lengths is None:
            output, state = run(x, self.kind.given(state))
        else:
            packed = pack_padded_sequence(x, lengths, batch_first=True, enforce_sorted=False)
            packed, state = run(packed, self.kind.given(state))
            output, _ = pad_packed_sequence(packed, batch_first=True, total_length=x.shape[1])
        return output, self.kind.taken(state)

    def _weights(self) -> list[torch.Tensor]:
        cell = self.cell
        return [cell.weight_ih_l0, cell.weight_hh_l0, cell.bias_ih_l0, cell.bias_hh_l0]

    def _dropped(self) -> torch.Tensor:
        weight = F.dropout(self.cell.weight_hh_l0, self.recurrent_dropout)
        on_cpu = weight.device.type == "cpu" and torch.is_autocast_enabled("cpu")
        # autocast would convert what is no parameter anew at each time step
        return weight.to(torch.get_autocast_dtype("cpu")) if on_cpu else weight

    def _with_dropped_weights(self, x, state):
        """What torch's layer does, with DropConnect; the same arguments, the same results."""
        weights = self._weights()
        weights[1] = self._dropped()
        values = x.data if isinstance(x, PackedSequence) else x
        if dtype := cudnn_dtype(values):
            weights, values = [weight.to(dtype) for weight in weights], values.to(dtype)
            x = x._replace(data=values) if isinstance(x, PackedSequence) else values
            state = self.kind.given(tuple(tensor.to(dtype) for tensor in self.kind.taken(state)))
        with torch.autocast(values.device.type, enabled=False) if dtype else nullcontext():
            return self._whole(x, state, weights)

    def _whole(self, x, state, weights):
        """What torch's layer does, with these weights."""
        options = True, 1, 0.0, True, False  # has_biases, num_layers, dropout, train, bidirectional
        if not isinstance(x, PackedSequence):
            output, *state = self.kind.whole(x, state, weights, *options, True)
            return output, self.kind.given(state)
        state = tuple(tensor.index_select(1, x.sorted_indices) for tensor in self.kind.taken(state))
        data, *state = self.kind.whole(x.data, x.batch_sizes, self.kind.given(state), weights, *options)
        state = tuple(tensor.index_select(1, x.unsorted_indices) for tensor in state)
        return x._replace(data=data), self.kind.given(state)

    def _with_dropped_weights_through_hooks(self, x, state):
        """The same by calling the cell. One that a tool wrapped or replaced keeps its weights, none is dropped."""
        dropped = {"weight_hh_l0": self._dropped()} if type(self.cell) is self.kind.layer else {}
        return functional_call(self.cell, dropped, (x, state))

    def _scan(self, x, state, mask):
        """The cell's equations step by step, where it cannot be known yet how many steps there will be."""
        scan, state = exportable_scan(), tuple(tensor[0] for tensor in state)
        into, hidden, bias_into, bias_hidden = self._weights()
        inputs = F.linear(x, into, bias_into)  # (B, T, blocks x H)
        mask = x.new_ones(x.shape[:2]) if mask is None else mask.to(x.dtype)

        def step(old, inputs):
            inputs, real = inputs
            _, new = self.kind.equations(inputs, F.linear(old[0], hidden, bias_hidden), old)
            new = tuple(torch.where(real[:, None] != 0, n, o) for n, o in zip(new, old))
            return new, new[0].clone()

        state, output = scan(step, state, (inputs.transpose(0, 1), mask.transpose(0, 1)))
        return output.transpose(0, 1), tuple(tensor[None] for tensor in state)


class TangRNNPreTrainedModel(PreTrainedModel):
    config_class = TangRNNConfig
    base_model_prefix = "model"
    _no_split_modules = ["TangRNNLayer"]
    _is_stateful = True  # the past cannot be cropped, so no assisted decoding
    supports_gradient_checkpointing = False  # the recurrence runs inside one torch call

    @classmethod
    def from_pretrained(cls, pretrained_model_name_or_path, *args, output_loading_info=False, **kwargs):
        """As transformers' own, but that only safetensors are read and that missing weights are an error.

        Whoever asks for `output_loading_info`, for `ignore_mismatched_sizes`, or passes a `state_dict` judges for
        himself what the file lacks.

        Raises:
            OSError: there is no safetensors file (a pickle is not opened), or it is broken.
            RuntimeError: its weights have other shapes than the configuration says, or are another model's.
        """
        kwargs.setdefault("use_safetensors", True)
        try:
            model, info = super().from_pretrained(
                pretrained_model_name_or_path, *args, output_loading_info=True, **kwargs
            )
        except SafetensorError as error:
            raise OSError(
                f"The weights file of {pretrained_model_name_or_path} is broken or cut short: {error}"
            ) from error
        if output_loading_info:
            return model, info
        if info["missing_keys"] and not kwargs.get("ignore_mismatched_sizes") and kwargs.get("state_dict") is None:
            raise RuntimeError(
                f"{pretrained_model_name_or_path} does not hold the weights of a {cls.__name__}: it lacks "
                + ", ".join(sorted(info["missing_keys"]))
            )
        return model

    def save_pretrained(self, save_directory, *args, push_to_hub=False, **kwargs):
        """As transformers' own, but that a checkpoint which is there already survives if writing fails, and that no
        weights of its are left beside the new ones: neither shards nor their index, nor a whole file beside shards."""
        if push_to_hub:  # uploads from where it writes
            return super().save_pretrained(save_directory, *args, push_to_hub=True, **kwargs)
        with written_beside(save_directory) as beside:
            super().save_pretrained(beside, *args, **kwargs)
            new = {path.name for path in beside.iterdir()}
        if any(WEIGHT_FILE.fullmatch(name) for name in new):  # only the main process of several writes them
            for path in Path(save_directory).iterdir():
                if WEIGHT_FILE.fullmatch(path.name) and path.name not in new:
                    path.unlink()

    @torch.no_grad()
    def _init_weights(self, module: nn.Module):
        if isinstance(module, nn.Embedding):
            init.uniform_(module.weight, -self.config.initializer_range, self.config.initializer_range)
        elif isinstance(module, nn.Linear):
            init.xavier_uniform_(module.weight)
            if module.bias is not None:
                init.zeros_(module.bias)
        elif isinstance(module, nn.RNNBase):
            # Half a unit of spread in what reaches the gates: far less, and an LSTM sees nothing for its first epoch.
            bound = math.sqrt(3 / module.input_size) * 0.5 / module.input_std
            init.uniform_(module.weight_ih_l0, -bound, bound)
            # One orthogonal block per gate keeps gradients alive over a whole poem (Saxe et al. 2014).
            gates = module.weight_hh_l0.split(module.hidden_size)
            init.copy_(module.weight_hh_l0, torch.cat([nn.init.orthogonal_(torch.empty_like(gate)) for gate in gates]))
            init.zeros_(module.bias_hh_l0)
            bias = torch.zeros_like(module.bias_ih_l0)
            if (block := CELLS[self.config.cell_type].open_block) is not None:
                bias[block * module.hidden_size : (block + 1) * module.hidden_size] = 1
            init.copy_(module.bias_ih_l0, bias)


class TangRNNModel(TangRNNPreTrainedModel):
    """Characters in, for each time step the vector that the output layer compares with every character's embedding."""

    def __init__(self, config: TangRNNConfig):
        super().__init__(config)
        self.embed_tokens = nn.Embedding(config.vocab_size, config.embedding_size)
        first = config.embedding_size, config.initializer_range / math.sqrt(3)
        further = config.hidden_size, 0.3
        self.layers = nn.ModuleList(
            TangRNNLayer(config, *(further if index else first)) for index in range(config.num_hidden_layers)
        )
        self.projection = nn.Linear(config.hidden_size, config.embedding_size)
        self.post_init()

    def embed(self, input_ids: torch.LongTensor) -> torch.Tensor:
        """(B, T) -> (B, T, E), while training with whole characters dropped."""
        embedded = self.embed_tokens(input_ids)
        if self.training and self.config.embedding_dropout > 0:
            keep = F.dropout(embedded.new_ones(self.config.vocab_size, 1), self.config.embedding_dropout)
            embedded = embedded * F.embedding(input_ids, keep)
        return embedded

    def forward(
        self,
        input_ids: torch.LongTensor | None = None,
        attention_mask: torch.Tensor | None = None,
        inputs_embeds: torch.FloatTensor | None = None,
        cache: Cache | None = None,
        use_cache: bool | None = None,
        output_hidden_states: bool | None = None,
        return_dict: bool | None = None,
        cache_params: Cache | None = None,
        **kwargs,
    ) -> TangRNNOutput | tuple:
        """
        Args:
            input_ids: (B, T), or inputs_embeds: (B, T, E), not both.
            attention_mask: (B, T), 0 where a position is padding, on whichever side: it leaves the state as it is.
            cache: the past state as an earlier call returned it; it is updated in place.
            use_cache: whether to return the past state (default: config.use_cache, but not while training).
            cache_params: another name of cache, which transformers had up to 5.23.
        """
        config = self.config
        cache = cache_params if cache is None else cache
        use_cache = use_cache if use_cache is not None else (config.use_cache and not self.training)
        return_dict = return_dict if return_dict is not None else config.return_dict
        if output_hidden_states is None:
            output_hidden_states = config.output_hidden_states
        if (input_ids is None) == (inputs_embeds is None):
            raise ValueError("You must specify exactly one of input_ids or inputs_embeds")
        if inputs_embeds is None:
            inputs_embeds = self.embed(input_ids)
        if use_cache and cache is None:
            cache = Cache(layers=[LinearAttentionLayer(config.number_of_states) for _ in self.layers])

        x = locked_dropout(inputs_embeds, config.input_dropout, self.training)
        lengths = order = empty = None
        if attention_mask is not None:
            attention_mask = attention_mask[:, -x.shape[1] :].to(x.device)  # generate() passes the past's mask too
            if not is_exporting() and not bool(attention_mask.all()):
                # Bring each row's real positions to its front, in order, and run only those.
                order = attention_mask.ne(0).int().argsort(dim=1, descending=True, stable=True)
                lengths = attention_mask.ne(0).sum(1)
                empty = lengths.eq(0)[None, :, None]  # torch packs no empty row: run one step, then undo it
                lengths = lengths.clamp(min=1).cpu()
                x = x.gather(1, order[..., None].expand_as(x))

        all_hidden_states = (inputs_embeds,) if output_hidden_states else None
        back = None if order is None else order.argsort(dim=1)
        for index, layer in enumerate(self.layers):
            if index:
                x = locked_dropout(x, config.hidden_dropout, self.training)
            state = self._past_state(cache, index, x)
            x, new_state = layer(x, state, lengths, attention_mask if is_exporting() else None)
            if cache is not None:
                if empty is not None and empty.any():
                    old = state or tuple(torch.zeros_like(tensor) for tensor in new_state)
                    new_state = tuple(torch.where(empty, o, n) for o, n in zip(old, new_state))
                for number, tensor in enumerate(new_state):
                    cache.update_recurrent_state(tensor[0], index, number)
                    cache.layers[index].has_previous_state[number] = True
            if output_hidden_states:
                all_hidden_states += (x if back is None else x.gather(1, back[..., None].expand_as(x)),)
        x = self.projection(x)
        if back is not None:
            x = x.gather(1, back[..., None].expand_as(x))
        x = locked_dropout(x, config.output_dropout, self.training)

        cache = cache if use_cache else None
        if not return_dict:
            return tuple(value for value in (x, cache, all_hidden_states) if value is not None)
        return TangRNNOutput(last_hidden_state=x, past_state=cache, hidden_states=all_hidden_states)

    def _past_state(self, cache: Cache | None, index: int, x: torch.Tensor) -> tuple[torch.Tensor, ...] | None:
        """The layer's past state as torch's layers take it, tensors (1, B, H), or None at the beginning."""
        if cache is None or not cache.has_previous_state(index):
            return None
        states = cache.layers[index].recurrent_states
        state = tuple(states[number][None] for number in range(self.config.number_of_states))
        # cuDNN and autograd keep what they are given, and the cache is written in place: hand them a copy.
        return tuple(tensor.to(x.dtype, copy=torch.is_grad_enabled()) for tensor in state)


class TangRNNForCausalLM(TangRNNPreTrainedModel, GenerationMixin):
    """TangRNNModel with an output layer tied to the embedding: a character-level language model of Tang poetry."""

    _tied_weights_keys = {"lm_head.weight": "model.embed_tokens.weight"}

    def __init__(self, config: TangRNNConfig):
        super().__init__(config)
        self.model = TangRNNModel(config)
        self.lm_head = nn.Linear(config.embedding_size, config.vocab_size, bias=False)
        self.post_init()

    @classmethod
    def _supports_default_dynamic_cache(cls) -> bool:
        # The past is a state, not keys and values: the model makes its own cache.
        return False

    def prepare_inputs_for_generation(
        self,
        input_ids,
        inputs_embeds=None,
        cache=None,
        cache_params=None,
        use_cache=None,
        attention_mask=None,
        is_first_iteration=False,
        **kwargs,
    ):
        """A `cache` given to `generate` is the past that `input_ids` follow: it is read on from there.

        As in `forward`, what the state has seen is not passed again. The last token `generate` returned has not been
        read yet, so a poem goes on with `generate(output.sequences[:, -1:], cache=output.cache)`; up to transformers
        5.23 what `generate` returned calls it `past_key_values`.

        Raises:
            ValueError: a past state with `use_cache=False`, which would read the new tokens again at every step; or
                embeddings without one, which cannot be read again.
        """
        cache = cache_params if cache is None else cache
        if cache is not None and not use_cache:
            raise ValueError("cache needs use_cache=True: the past state is updated at every step")
        if cache is None and not is_first_iteration:
            # Either there shall be none, or this release of transformers does not find it in the output under any of
            # its names: then the whole text is read again, which takes longer, and the poem is the same.
            kwargs["next_sequence_length"] = None
            if inputs_embeds is not None:
                raise ValueError("inputs_embeds need use_cache=True: only the tokens that follow are read again")
            if use_cache:
                logger.warning_once("This release of transformers does not hand on the past state: update tang_rnn")
        inputs = super().prepare_inputs_for_generation(
            input_ids,
            inputs_embeds=inputs_embeds,
            use_cache=use_cache,
            attention_mask=attention_mask,
            is_first_iteration=is_first_iteration,
            **kwargs,
        )
        if cache is not None:
            inputs["cache"] = cache
            if not is_first_iteration:
                inputs["attention_mask"] = None  # the new character is never padding
            elif cache.has_previous_state(0) and (rows := len(cache.layers[0].recurrent_states[0])) < len(input_ids):
                # one past for all beams, or for all poems that begin with it
                every = torch.arange(rows, device=self.device).repeat_interleave(len(input_ids) // rows)
                cache.reorder_cache(every)
        return inputs

    def forward(
        self,
        input_ids: torch.LongTensor | None = None,
        attention_mask: torch.Tensor | None = None,
        inputs_embeds: torch.FloatTensor | None = None,
        cache: Cache | None = None,
        labels: torch.LongTensor | None = None,
        use_cache: bool | None = None,
        output_hidden_states: bool | None = None,
        return_dict: bool | None = None,
        logits_to_keep: int | torch.Tensor = 0,
        return_logits: bool = True,
        num_items_in_batch: torch.Tensor | int | None = None,
        cache_params: Cache | None = None,
        target_probs: torch.FloatTensor | None = None,
        **kwargs,
    ) -> TangRNNCausalLMOutput | tuple:
        """
        Args:
            labels: (B, T), the input itself with -100 where the loss looks away; shifted inside.
            shift_labels: (B, T), instead of labels: already shifted, as training split along T hands them over.
            logits_to_keep: how many of the last positions to compute logits for (0: all), or which.
            return_logits: False to have the loss alone, without ever holding the logits of a whole batch.
            num_items_in_batch: what to divide the summed loss by (default: the number of labels counted).
            target_probs: (N, V), for each of the N labels that count, row after row, a distribution in its place.
            The others as in [`TangRNNModel.forward`].
        """
        return_dict = return_dict if return_dict is not None else self.config.return_dict
        # No argument of its own: the Trainer takes what is named so for a label that every batch must have.
        shift_labels = kwargs.get("shift_labels")
        outputs = self.model(
            input_ids=input_ids,
            attention_mask=attention_mask,
            inputs_embeds=inputs_embeds,
            cache=cache_params if cache is None else cache,
            use_cache=use_cache,
            output_hidden_states=output_hidden_states,
            return_dict=True,
        )
        hidden = outputs.last_hidden_state
        keep = slice(-logits_to_keep, None) if isinstance(logits_to_keep, int) else logits_to_keep
        logits = self.lm_head(hidden[:, keep, :]) if return_logits else None

        loss = None
        if labels is not None or shift_labels is not None:
            target = (labels[:, 1:] if shift_labels is None else shift_labels).to(hidden.device)
            counted = target.ne(-100)
            wanted = target[counted] if target_probs is None else target_probs
            steps = slice(target.shape[1])  # after the last step of a row there is nothing to predict
            if return_logits or not is_plain(self.lm_head, nn.Linear):
                scores = logits if return_logits else self.lm_head(hidden)
                total = F.cross_entropy(scores[:, steps][counted].float(), wanted, reduction="sum")
            else:
                weight, offset = self.lm_head.weight, None
                if self.training and target_probs is None and 0 < self.config.output_samples < len(weight):
                    classes, offset, wanted = sampled_classes(wanted, len(weight), self.config.output_samples)
                    weight = weight[classes]
                total = LinearCrossEntropy.apply(hidden[:, steps][counted], weight, offset, wanted)
            loss = total / (counted.sum() if num_items_in_batch is None else num_items_in_batch)

        if not return_dict:
            values = (loss, logits, outputs.past_state, outputs.hidden_states)
            return tuple(value for value in values if value is not None)
        return TangRNNCausalLMOutput(
            loss=loss, logits=logits, past_state=outputs.past_state, hidden_states=outputs.hidden_states
        )


__all__ = ["TangRNNForCausalLM", "TangRNNModel", "TangRNNPreTrainedModel"]

"""The configuration of a TangRNN model: which recurrent cell, how large, how much dropout."""

from huggingface_hub.dataclasses import strict
from transformers import PreTrainedConfig

from .cells import CELLS, check_sizes


@strict
class TangRNNConfig(PreTrainedConfig):
    r"""Configuration of [`TangRNNModel`] and [`TangRNNForCausalLM`].

    Args:
        vocab_size (`int`): number of tokens, special ones included.
        cell_type (`str`): `"rnn"` (Elman, tanh), `"lstm"` or `"gru"`.
        embedding_size (`int`): width of the character embedding, and of the vector the output layer compares with it.
        hidden_size (`int`): width of the recurrent state of each layer.
        num_hidden_layers (`int`): number of recurrent layers.
        embedding_dropout (`float`): probability that a character's whole embedding is zeroed, everywhere in a batch.
        input_dropout (`float`): dropout on the embedded input, the same at every step of a row.
        hidden_dropout (`float`): likewise between recurrent layers.
        output_dropout (`float`): likewise on the vector that meets the output layer.
        recurrent_dropout (`float`): DropConnect on the hidden-to-hidden weights.
            All five are those of Merity et al. 2017, *Regularizing and Optimizing LSTM Language Models*.
        output_samples (`int`): while training without logits, the output layer compares with this many tokens and the
            batch's own, three quarters of them the most frequent, instead of all; 0 for all.
        initializer_range (`float`): embeddings start uniform in plus or minus this.
        tokenizer_fingerprint (`str`, *optional*): of the tokenizer whose tokens the embeddings belong to, see
            `tang_rnn.tokenization_tang_rnn.fingerprint`.

    Raises:
        ValueError: for an unknown `cell_type`, naming the known ones, and for a size out of all proportion.
    """

    model_type = "tang_rnn"

    vocab_size: int = 8192
    cell_type: str = "lstm"
    embedding_size: int = 256
    hidden_size: int = 512
    num_hidden_layers: int = 1
    embedding_dropout: float = 0.0
    input_dropout: float = 0.0
    hidden_dropout: float = 0.0
    output_dropout: float = 0.0
    recurrent_dropout: float = 0.0
    output_samples: int = 0
    initializer_range: float = 0.1
    tokenizer_fingerprint: str | None = None
    pad_token_id: int | None = 0
    bos_token_id: int | None = 1
    eos_token_id: int | list[int] | None = 2
    use_cache: bool = True
    tie_word_embeddings: bool = True

    def __post_init__(self, **kwargs):
        check_sizes(self)
        super().__post_init__(**kwargs)

    @property
    def number_of_states(self) -> int:
        """Tensors in one layer's past state: the hidden state, and for the LSTM its memory."""
        return len(CELLS[self.cell_type].states)

    @property
    def number_of_conv_states(self) -> int:
        """The same under the name by which transformers' caches ask for it, as `DynamicCache(config=config)` does."""
        return self.number_of_states

    @property
    def layer_types(self) -> list[str]:
        """What transformers' caches call a layer whose past is a state of constant size."""
        return ["linear_attention"] * self.num_hidden_layers


__all__ = ["TangRNNConfig"]

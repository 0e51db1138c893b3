"""tang_rnn: recurrent networks that write classical Chinese verse."""

from transformers import AutoConfig, AutoModel, AutoModelForCausalLM

from .configuration_tang_rnn import TangRNNConfig
from .faults import PoetError
from .modeling_tang_rnn import TangRNNForCausalLM, TangRNNModel
from .poet import TangPoet
from .rules import RuleConflict, Rules
from .rules.processor import VerseConstraint
from .tokenization_tang_rnn import TangTokenizer
from .writing.poem import Poem

# What is saved carries the code files that define it, so that it loads where this package is not installed.
TangRNNConfig.register_for_auto_class()
TangRNNModel.register_for_auto_class("AutoModel")
TangRNNForCausalLM.register_for_auto_class("AutoModelForCausalLM")
# And here `AutoModel` and its kin know the classes without asking for that code.
AutoConfig.register("tang_rnn", TangRNNConfig, exist_ok=True)
AutoModel.register(TangRNNConfig, TangRNNModel, exist_ok=True)
AutoModelForCausalLM.register(TangRNNConfig, TangRNNForCausalLM, exist_ok=True)

__version__ = "0.1.0"
__all__ = [
    "Poem",
    "PoetError",
    "RuleConflict",
    "Rules",
    "TangPoet",
    "TangRNNConfig",
    "TangRNNForCausalLM",
    "TangRNNModel",
    "TangTokenizer",
    "VerseConstraint",
]

"""The prompt of each family for one system and one user message, as its publisher documents it.

Sources: model cards and tokenizer configurations of the publishers, mistralai/cookbook on
tokenization, llama.com's prompt formats. SYSTEM and USER are what stands in them.
"""

from __future__ import annotations

SYSTEM = "Be brief."
USER = "How long are records kept?"

_CHATML = (
    "<|im_start|>system\nBe brief.<|im_end|>\n"
    "<|im_start|>user\nHow long are records kept?<|im_end|>\n"
    "<|im_start|>assistant\n"
)
_INST_WITH_SYS = "<s>[INST] <<SYS>>\nBe brief.\n<</SYS>>\n\nHow long are records kept? [/INST]"
_INST = "<s>[INST] Be brief.\n\nHow long are records kept? [/INST]"
_LLAMA_3 = (
    "<|begin_of_text|><|start_header_id|>system<|end_header_id|>\n\n"
    "Cutting Knowledge Date: December 2023\nToday Date: 26 Jul 2024\n\n"
    "Be brief.<|eot_id|><|start_header_id|>user<|end_header_id|>\n\n"
    "How long are records kept?<|eot_id|><|start_header_id|>assistant<|end_header_id|>\n\n"
)

# family: (name of the format, prompt with thinking off)
GOLDEN = {
    "phi-2": ("phi-2", "Instruct: Be brief.\n\nHow long are records kept?\nOutput:"),
    "phi-3": (
        "phi-3",
        "<|system|>\nBe brief.<|end|>\n<|user|>\nHow long are records kept?<|end|>\n"
        "<|assistant|>\n",
    ),
    "phi-4-mini": (
        "phi-4-mini",
        "<|system|>Be brief.<|end|><|user|>How long are records kept?<|end|><|assistant|>",
    ),
    "llama-2": ("llama-2", _INST_WITH_SYS),
    "codellama": ("llama-2", _INST_WITH_SYS),
    "orca-2": ("orca-2", _CHATML.removesuffix("\n")),
    "llama-3.1": ("llama-3.1", _LLAMA_3),
    "llama-3.2": ("llama-3.1", _LLAMA_3),
    "mistral-v0.1": ("mistral-v1", _INST),
    "mistral-v0.2": ("mistral-v1", _INST),
    "mistral-v0.3": ("mistral-v3", "<s>[INST] Be brief.\n\nHow long are records kept?[/INST]"),
    "mistral-nemo": ("mistral-tekken", "<s>[INST]Be brief.\n\nHow long are records kept?[/INST]"),
    "mixtral": ("mistral-v1", _INST),
    "qwen2.5": ("chatml", _CHATML),
    "qwen3": ("qwen3", f"{_CHATML}<think>\n\n</think>\n\n"),
    "gemma-3": (
        "gemma",
        "<bos><start_of_turn>user\nBe brief.\n\nHow long are records kept?<end_of_turn>\n"
        "<start_of_turn>model\n",
    ),
    "smollm2": ("chatml", _CHATML),
    "deepseek-r1": (
        "deepseek-r1",
        "<｜begin▁of▁sentence｜>Be brief.<｜User｜>How long are records kept?<｜Assistant｜>"
        "<think>\n\n</think>\n\n",
    ),
}

# With thinking on, where that makes a difference.
GOLDEN_THINKING = {
    "qwen3": _CHATML,
    "deepseek-r1": "<｜begin▁of▁sentence｜>Be brief.<｜User｜>How long are records kept?"
    "<｜Assistant｜><think>\n",
}

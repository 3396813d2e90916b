r"""Chat templates of the tiny models: short ones of our own that say what the published ones say.

They hold every mark by which a published template of the family is recognised (its control tokens
and how they are spelt, `add_generation_prompt`, `enable_thinking`), in Jinja, which nobody runs.
Line breaks of a message stand as "\n" within a Jinja string in some, as real ones in others, as in
the published. Families that are published without a template (Phi-2, Orca-2) have none here.
"""

from __future__ import annotations

_EACH = "{% for m in messages %}"
_ASKED = "{% endfor %}{% if add_generation_prompt %}"
_WORDS_OF_INST = (
    "{{ bos_token }}{% for m in messages %}{% if m['role'] == 'user' %}{{ '[INST] ' + m['content'] "
    "+ ' [/INST]' }}{% else %}{{ m['content'] + eos_token }}{% endif %}{% endfor %}"
)
_CHATML = (
    _EACH + r"{{ '<|im_start|>' + m['role'] + '\n' + m['content'] + '<|im_end|>' + '\n' }}" + _ASKED
)
_LLAMA_2 = (
    r"{% if system %}{% set content = '<<SYS>>\n' + system + '\n<</SYS>>\n\n' + content %}"
    "{% endif %}{{ bos_token + '[INST] ' + content.strip() + ' [/INST]' }}"
)
_LLAMA_3 = (
    "{{- bos_token }}{%- if not date_string is defined %}{%- set date_string = '26 Jul 2024' %}"
    r"{%- endif %}{{- '<|start_header_id|>system<|end_header_id|>\n\n' }}"
    r"{{- 'Cutting Knowledge Date: December 2023\n' }}{{- 'Today Date: ' + date_string + '\n\n' }}"
    "{{- system_message }}{{- '<|eot_id|>' }}" + _EACH + r"{{- '<|start_header_id|>' + m['role'] +"
    r" '<|end_header_id|>\n\n' + m['content'] | trim + '<|eot_id|>' }}"
    + _ASKED
    + r"{{- '<|start_header_id|>assistant<|end_header_id|>\n\n' }}{% endif %}"
)
_QWEN_3 = r"""{%- for m in messages %}
    {%- if '</think>' in m.content %}
        {%- set content = m.content.split('</think>')[-1] %}
    {%- endif %}
    {{- '<|im_start|>' + m.role + '\n' + content + '<|im_end|>' + '\n' }}
{%- endfor %}
{%- if add_generation_prompt %}
    {{- '<|im_start|>assistant\n' }}
    {%- if enable_thinking is defined and enable_thinking is false %}
        {{- '<think>\n\n</think>\n\n' }}
    {%- endif %}
{%- endif %}"""

TEMPLATES: dict[str, str] = {
    "phi-3": _EACH
    + "{{ '<|' + m['role'] + '|>\n' + m['content'] + '<|end|>\n' }}"
    + _ASKED
    + "{{ '<|assistant|>\n' }}{% else %}{{ eos_token }}{% endif %}",
    "phi-4-mini": _EACH
    + "{{ '<|' + m['role'] + '|>' + m['content'] + '<|end|>' }}"
    + _ASKED
    + "{{ '<|assistant|>' }}{% else %}{{ eos_token }}{% endif %}",
    "llama-2": _LLAMA_2,
    "codellama": _LLAMA_2,
    "llama-3.1": _LLAMA_3,
    "llama-3.2": _LLAMA_3.replace("'26 Jul 2024'", "strftime_now('%d %b %Y')"),
    "mistral-v0.1": _WORDS_OF_INST,
    "mistral-v0.2": (
        "{%- if messages[0]['role'] == 'system' %}{%- set system_message = messages[0]['content'] "
        "%}{%- endif %}{{- bos_token }}"
        + _EACH
        + r"{{- ' [INST] ' + system_message + '\n\n' + m['content'] + ' [/INST]' }}{% endfor %}"
    ),
    "mistral-v0.3": _EACH
    + '{{- "[AVAILABLE_TOOLS] [" }}{{- "[INST] " + system_message + "\\n\\n" + m["content"] + '
    '"[/INST]" }}{% endfor %}',
    "mistral-nemo": _EACH
    + '{{- "[AVAILABLE_TOOLS][" }}{{- "[INST]" + system_message + "\\n\\n" + m["content"] + '
    '"[/INST]" }}{% endfor %}',
    "mixtral": _WORDS_OF_INST,
    "qwen2.5": _CHATML + r"{{- '<|im_start|>assistant\n' }}{% endif %}",
    "qwen3": _QWEN_3,
    "gemma-3": (
        "{{ bos_token }}{%- if messages[0]['role'] == 'system' -%}{%- set first_user_prefix = "
        r"messages[0]['content'] + '\n\n' -%}{%- endif -%}"
        + _EACH
        + r"{{ '<start_of_turn>' + role + '\n' + m['content'] | trim + '<end_of_turn>\n' }}"
        + _ASKED
        + "{{'<start_of_turn>model\n'}}{% endif %}"
    ),
    "smollm2": "{% if messages[0]['role'] != 'system' %}{{ '<|im_start|>system\nYou are a helpful "
    "AI assistant<|im_end|>\n' }}{% endif %}"
    + _CHATML
    + "{{ '<|im_start|>assistant\n' }}{% endif %}",
    "deepseek-r1": _EACH
    + "{% if '</think>' in m['content'] %}{% set content = m['content'].split('</think>')[-1] %}"
    "{% endif %}{{'<｜User｜>' + content + '<｜Assistant｜>' + '<｜end▁of▁sentence｜>'}}"
    + _ASKED
    + r"{{'<｜Assistant｜><think>\n'}}{% endif %}",
}

# What models that always think say at the end of ChatML (Qwen 3 Thinking 2507, QwQ).
CHATML_THAT_OPENS_THOUGHTS = _CHATML + r"{{- '<|im_start|>assistant\n<think>\n' }}{%- endif %}"

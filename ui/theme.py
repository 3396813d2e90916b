"""The look of Gradio's own parts, in the colours that `assets/chat.css` uses for the rest.

The fonts are named only: `assets/chat.css` declares them from files that Gradio brings along.
"""

from __future__ import annotations

from gradio.themes import Base
from gradio.themes.utils import colors, sizes
from gradio.themes.utils.fonts import Font

_GREEN = colors.Color(
    c50="#eef6f4",
    c100="#d6e9e5",
    c200="#aed4cc",
    c300="#7fbbb0",
    c400="#4f9c90",
    c500="#2f7d72",
    c600="#1f5c54",
    c700="#194b45",
    c800="#143b36",
    c900="#0f2c28",
    c950="#081a18",
    name="cloister",
)


def theme() -> Base:
    """A plain theme: one accent, hairlines, no shadows."""
    base = Base(
        primary_hue=_GREEN,
        secondary_hue=_GREEN,
        neutral_hue=colors.stone,
        text_size=sizes.text_md,
        radius_size=sizes.radius_md,
        font=(Font("Cloister Sans"), Font("system-ui"), Font("sans-serif")),
        font_mono=(Font("ui-monospace"), Font("monospace")),
    )
    return base.set(
        body_background_fill="var(--cl-ground)",
        body_background_fill_dark="var(--cl-ground)",
        body_text_color="var(--cl-ink)",
        body_text_color_dark="var(--cl-ink)",
        background_fill_primary="var(--cl-ground)",
        background_fill_primary_dark="var(--cl-ground)",
        block_background_fill="transparent",
        block_background_fill_dark="transparent",
        block_border_width="0px",
        block_shadow="none",
        block_padding="0",
        input_background_fill="transparent",
        input_background_fill_dark="transparent",
        input_border_width="0px",
        input_shadow="none",
        input_shadow_focus="none",
    )

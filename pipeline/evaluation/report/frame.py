"""The HTML around a report: style, data and script inside it, and a policy that forbids the browser
to ask anybody for anything.
"""

from html import escape
from importlib.resources import files

POLICY = "default-src 'none'; img-src data:; style-src 'unsafe-inline'; script-src 'unsafe-inline'"


def framed(title: str, body: str, data: str) -> str:
    """A whole page.

    Args:
        title: of the window.
        body: HTML.
        data: JSON for the script, in which nothing can end the element that it stands in.
    """
    style, script = _asset("base.css") + _asset("page.css"), _asset("page.js")
    return (
        '<!doctype html>\n<html lang="en"><head><meta charset="utf-8"><meta'
        f' http-equiv="Content-Security-Policy" content="{POLICY}"><meta name="viewport"'
        ' content="width=device-width, initial-scale=1"><link rel="icon"'
        ' href="data:,"><title>trilift:'
        f" {escape(title)}</title><style>{style}</style></head>\n<body><main>{body}</main>\n<script"
        ' type="application/json"'
        f' id="data">{data}</script>\n<script>{script}</script></body></html>\n'
    )


def _asset(name: str) -> str:
    return files(__package__).joinpath(name).read_text(encoding="utf-8")

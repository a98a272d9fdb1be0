"""MkDocs hook: the cards of bundled teachers and students are pages of the site, too, with their
pictures. They lie beside their weights, outside `docs`.
"""

import re
from pathlib import Path
from typing import Any

from mkdocs.structure.files import File, Files

ROOT = Path(__file__).resolve().parent.parent
CARDS = ("teachers/pretrained/*/card.md", "students/pretrained/**/*.md")
PICTURES = ("teachers/pretrained/*/*.png", "students/pretrained/**/*.png")


def on_files(files: Files, *, config: Any) -> Files:
    """Adds cards and pictures under their own paths, so that `..` of a link is one less."""
    for pattern in (*CARDS, *PICTURES):
        for path in sorted(ROOT.glob(pattern)):
            name = path.relative_to(ROOT).as_posix()
            files.append(File.generated(config, name, abs_src_path=str(path)))
    return files


def on_page_markdown(markdown: str, *, page: Any, config: Any, files: Files) -> str:
    """Links between `docs` and the folders of the cards, as they are in the site."""
    if page.file.src_uri.startswith(("teachers/", "students/")):
        return re.sub(r"\]\(((?:\.\./)+)docs/", r"](\1", markdown)
    return re.sub(r"\]\(\.\./((?:teachers|students)/)", r"](\1", markdown)

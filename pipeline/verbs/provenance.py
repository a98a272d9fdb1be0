"""Make a certificate for C2PA manifests, or verify a file's: `init`, `show FILE`.

`trilift provenance init` writes a self-made certificate and its private key (mode 0600, never
printed). It shows that a file is unchanged since it was signed, not who signed it: validators call
it untrusted. A certificate of an authority goes into signing.certificate and signing.private_key of
`trilift lift … provenance=c2pa`.

`trilift provenance show FILE` checks the manifest in a file, or beside it (FILE.c2pa), without a
connection. Exit status: 0 valid (with anchors=, the PEM file of roots that you trust), 1 broken,
3 untrusted, 4 no manifest; 2 is an error.
"""

import json
import sys
from pathlib import Path
from typing import Any

from omegaconf import DictConfig

from pipeline.build.application import verb
from pipeline.build.configuration import to_plain
from pipeline.manifests.certificate import PRIVATE_KEY, default_folder, make_credential
from pipeline.manifests.signing import require_c2pa
from pipeline.manifests.verification import MEANING, Verdict, verify

STATUS = {"valid": 0, "broken": 1, "untrusted": 3, "none": 4}


@verb("provenance")
def main(config: DictConfig) -> None:
    """Makes a certificate, or prints a verdict and ends with its status."""
    settings = to_plain(config)
    action = settings["action"]
    if action == "init":
        require_c2pa()
        folder = Path(str(settings["folder"] or default_folder()))
        made = make_credential(folder, str(settings["name"]))
        sys.stdout.write(
            f"{made}: a self-made certificate, which validators will call untrusted: it shows that"
            " a file is unchanged, not who made it\n"
            f"{folder / PRIVATE_KEY}: its private key, readable for you only; give it to nobody\n"
        )
        return
    if action != "show":
        raise ValueError(f"action is {action!r}: give init, or show FILE")
    if settings["file"] is None:
        raise ValueError("show needs a file: trilift provenance show FILE")
    if settings["format"] not in ("text", "json"):
        raise ValueError(f"format is {settings['format']!r}: give text or json")
    path = Path(str(settings["file"]))
    anchors = settings["anchors"]
    verdict = verify(path, None if anchors is None else Path(str(anchors)).read_bytes())
    if settings["format"] == "json":
        sys.stdout.write(json.dumps(record(path, verdict), indent=2) + "\n")
    else:
        sys.stdout.write(described(path, verdict))
    if STATUS[verdict.state]:
        raise SystemExit(STATUS[verdict.state])


def record(path: Path, verdict: Verdict) -> dict[str, Any]:
    """The verdict for JSON."""
    return {
        "file": str(path),
        "state": verdict.state,
        "reasons": list(verdict.reasons),
        "signer": verdict.signer,
        "manifest": verdict.manifest,
    }


def described(path: Path, verdict: Verdict) -> str:
    """The verdict in lines for people. What a broken manifest says is shown as a claim."""
    lines = [f"{path}: {verdict.state}: {MEANING[verdict.state]}"]
    label = "because" if verdict.state == "none" else "failed"
    lines += [f"  {label:<11} {reason}" for reason in verdict.reasons]
    if verdict.signer:
        lines.append(f"  signed by   {verdict.signer}")
    for assertion in verdict.manifest.get("assertions", ()):
        for action in assertion["data"].get("actions", ()) if "data" in assertion else ():
            kind = str(action.get("digitalSourceType", "")).rpartition("/")[2]
            agent = action.get("softwareAgent") or {}
            tool = " ".join(str(agent.get(key, "")) for key in ("name", "version"))
            lines.append(f"  action      {action['action']}, {kind}, by {tool}")
    lines += [f"  ingredient  {line}" for line in verdict.ingredients]
    for key, value in verdict.origin.items():
        text = " ".join(str(part) for part in value.values()) if isinstance(value, dict) else value
        lines.append(f"  {key:11} {text}")
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    main()

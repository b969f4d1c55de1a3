"""Puts an SBOM (CycloneDX, JSON) together: ``tools/sbom.sh`` says from what.

The lock file tells where each distribution comes from and its hashes; the image tells what was really put into it.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any
from urllib.parse import quote

LOOK = r"""
import json, os, platform, re, shutil, subprocess, sys
NAMES = '''
import json, re
from importlib.metadata import distributions
print(json.dumps({re.sub("[-_.]+", "-", d.metadata["Name"]).lower(): d.version for d in distributions()}))
'''
FORMAT = "${Package} ${Version} ${Architecture}\n"
dpkg = shutil.which("dpkg-query")
def distributions(python):
    return json.loads(subprocess.check_output([python, "-I", "-c", NAMES]))
print(json.dumps({
    "distributions": distributions(sys.executable),
    "base": distributions(os.path.realpath(sys.executable)),
    "debian": subprocess.check_output([dpkg, "-W", "-f", FORMAT], text=True).splitlines() if dpkg else [],
    "python": platform.python_version(),
}))
"""
"""A program that tells what an image holds, for the image's own Python."""


def document(locked: dict[str, Any], found: dict[str, Any]) -> dict[str, Any]:
    """The SBOM, the same for the same image: without the serial number and the time that such documents often have.

    Args:
        locked: what ``uv export`` makes of the lock file.
        found: what `LOOK` prints.

    Raises:
        ValueError: the image holds a distribution that is not in the lock file.
    """
    root = locked["metadata"]["component"]
    inside = dict(found["distributions"])
    if inside.pop(root["name"], None) != root["version"]:
        raise ValueError(f"the image does not hold {root['name']} {root['version']}")
    components = [part for part in locked["components"] if inside.get(part["name"]) == part["version"]]
    if unknown := inside.keys() - {part["name"] for part in components}:
        raise ValueError(f"the image holds what is not in the lock file: {', '.join(sorted(unknown))}")
    refs = {root["bom-ref"], *(part["bom-ref"] for part in components)}
    return {
        **{key: locked[key] for key in ("bomFormat", "specVersion", "version")},
        "metadata": {
            "tools": locked["metadata"]["tools"],
            "component": {**root, "type": "container"},
        },
        "components": [*components, *_base(found)],
        "dependencies": [
            {"ref": each["ref"], "dependsOn": [ref for ref in each.get("dependsOn", []) if ref in refs]}
            for each in locked["dependencies"]
            if each["ref"] in refs
        ],
    }


def _base(found: dict[str, Any]) -> list[dict[str, str]]:
    """What the image has from its base: the interpreter, the interpreter's own distributions, Debian's packages."""
    base = set(found["base"].items()) - set(found["distributions"].items())
    return [
        _component("application", "python", found["python"], f"pkg:generic/python@{found['python']}"),
        *(_component("library", name, version, f"pkg:pypi/{name}@{version}") for name, version in sorted(base)),
        *(_debian(*line.split()) for line in sorted(found["debian"])),
    ]


def _debian(name: str, version: str, architecture: str) -> dict[str, str]:
    purl = f"pkg:deb/debian/{quote(name, safe='')}@{quote(version, safe='')}?arch={architecture}"
    return _component("library", name, version, purl)


def _component(kind: str, name: str, version: str, purl: str) -> dict[str, str]:
    return {"type": kind, "bom-ref": purl, "name": name, "version": version, "purl": purl}


def main(locked: str, found: str) -> None:
    """Read both files, and print the SBOM."""
    print(json.dumps(document(json.loads(Path(locked).read_text()), json.loads(Path(found).read_text())), indent=1))


if __name__ == "__main__":
    if sys.argv[1:] == ["look"]:
        print(LOOK)
    else:
        main(*sys.argv[1:])

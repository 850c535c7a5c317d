"""Makes action/js/release.json of a version, from the output of sha256sum on its programs.

Usage: pin.py VERSION < SHA256SUMS
"""

import json
import pathlib
import re
import sys

LINE = re.compile(r"([0-9a-f]{64}) [ *]entryguard-action-([a-z0-9]+-[a-z0-9]+)(\.exe)?")


def main(version):
    release = json.loads((pathlib.Path(__file__).parent / "js" / "release.json").read_text())
    pins = {}
    for line in sys.stdin.read().splitlines():
        found = LINE.fullmatch(line)
        if not found:
            sys.exit(f"not a line of sha256sum about a program: {line}")
        pins[found[2]] = found[1]
    if not pins:
        sys.exit("no program")
    print(json.dumps({**release, "version": version, "sha256": dict(sorted(pins.items()))}, indent=2))


if __name__ == "__main__":
    main(sys.argv[1])

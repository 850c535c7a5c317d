#!/usr/bin/env python3
"""Are all blocks of IANA's special-purpose registries refused? Fails where a registry has one that special_networks.tsv does not cover.

    tests/networks.py            asks IANA
    tests/networks.py FILE…      reads its CSV files from here
"""
import csv, io, ipaddress, pathlib, sys, urllib.request

TABLE = pathlib.Path(__file__).parent.parent / "core/src/domain/special_networks.tsv"
REGISTRIES = [f"https://www.iana.org/assignments/iana-ipv{v}-special-registry/iana-ipv{v}-special-registry-1.csv" for v in (4, 6)]


def registered(text):
    """Each block with its name. One cell may have two blocks, and footnotes in brackets."""
    for row in csv.DictReader(io.StringIO(text)):
        for block in row["Address Block"].split(","):
            yield ipaddress.ip_network(block.split("[")[0].strip()), row["Name"]


def main(files):
    lines = [line for line in TABLE.read_text().splitlines() if not line.startswith("#")]
    known = [ipaddress.ip_network(line.split("\t")[0]) for line in lines]
    covered = lambda net: any(net.version == one.version and net.subnet_of(one) for one in known)
    texts = [pathlib.Path(file).read_text() for file in files] or [urllib.request.urlopen(url, timeout=30).read().decode() for url in REGISTRIES]
    blocks = [block for text in texts for block in registered(text)]
    missing = [(net, name) for net, name in blocks if not covered(net)]
    for net, name in missing:
        print(f"not covered: {net} ({name})")
    print(f"{len(blocks)} blocks are registered, {len(missing)} are missing in {TABLE.name}")
    return 1 if missing or not blocks else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

#!/usr/bin/env python3
"""Makes core/src/domain/special_networks.tsv from IANA's special-purpose registries. Fails where the table is not what they give.

    tests/networks.py                     reads the registries from IANA and compares
    tests/networks.py FILE…               reads them from these CSV files and compares
    tests/networks.py --write [FILE…]     writes the table; what was read from IANA is kept in tests/iana
"""
import argparse, csv, datetime, io, ipaddress, pathlib, re, sys, urllib.request

HERE = pathlib.Path(__file__).parent
TABLE = HERE.parent / "core/src/domain/special_networks.tsv"
REGISTRY = "https://www.iana.org/assignments/iana-ipv{0}-special-registry/"
REGISTRIES = {HERE / f"iana/ipv{v}.csv": REGISTRY.format(v) + f"iana-ipv{v}-special-registry-1.csv" for v in (4, 6)}

# The registries do not have the multicast blocks.
MULTICAST = "Address Block,Name,RFC\n224.0.0.0/4,Multicast,[RFC5771]\nff00::/8,Multicast,[RFC4291]\n"

PRIVATE = {"Private-Use", "Shared Address Space", "Loopback", "Loopback Address", "Unique-Local"}
# What people are told, by the registry's name.
WORDS = {
    '"This network"': "an unspecified address",
    '"This host on this network"': "an unspecified address",
    "Unspecified Address": "an unspecified address",
    "Private-Use": "a private address",
    "Unique-Local": "a private address",
    "Shared Address Space": "an address that a carrier's NAT (CGNAT) shares among many",
    "Loopback": "a loopback address",
    "Loopback Address": "a loopback address",
    "Link Local": "a link-local address",
    "Link-Local Unicast": "a link-local address",
    "Multicast": "a multicast address",
    "Documentation": "a documentation address",
    "Documentation (TEST-NET-1)": "a documentation address",
    "Documentation (TEST-NET-2)": "a documentation address",
    "Documentation (TEST-NET-3)": "a documentation address",
    "Benchmarking": "a benchmarking address",
    "AS112-v4": "an address of the AS112 service",
    "AS112-v6": "an address of the AS112 service",
    "Direct Delegation AS112 Service": "an address of the AS112 service",
    "AMT": "an address of multicast relays",
    "Deprecated (6to4 Relay Anycast)": "a 6to4 relay's address",
    "6a44-relay anycast address": "a 6to4 relay's address",
    "6to4": "a 6to4 address",
    "TEREDO": "a Teredo address",
    "IPv4-mapped Address": "an IPv4 address written as IPv6",
    "IPv4-IPv6 Translat.": "an IPv4 address behind a translator",
    "Discard-Only Address Block": "a discard address",
    "Dummy IPv6 Prefix": "a dummy address",
    "Reserved": "a reserved address",
    "Limited Broadcast": "a reserved address",
    "Segment Routing (SRv6) SIDs": "a reserved address",
    "IPv4 Service Continuity Prefix": "a reserved address",
    "IPv4 dummy address": "a reserved address",
    "NAT64/DNS64 Discovery": "a reserved address",
    "Deprecated (previously ORCHID)": "a protocol's own address",
    "ORCHIDv2": "a protocol's own address",
    "Drone Remote ID Protocol Entity Tags (DETs) Prefix": "a protocol's own address",
    "DNS-SD Service Registration Protocol Anycast": "a protocol's own address",
}
# Both registries have these names. People are told of IPv4's as of the block around them.
WORDS_BY_VERSION = {
    "IETF Protocol Assignments": {4: "a reserved address", 6: "a protocol's own address"},
    "Port Control Protocol Anycast": {4: "a reserved address", 6: "a protocol's own address"},
    "Traversal Using Relays around NAT Anycast": {4: "a reserved address", 6: "a protocol's own address"},
}

HEAD = """\
# IANA's special-purpose address registries, as of {date}, and the multicast blocks beside them:
#   {v4}
#   {v6}
# `./x networks --write` makes this file, and `./x networks` compares it with the registries; do not edit it.
# The first block that has an address counts: one that lies in another stands before it.
#
# network	treated as	what people are told	the registry's name	defined by
"""


def blocks(text):
    """Each block with its row. One cell may have two blocks, and footnotes in brackets."""
    for row in csv.DictReader(io.StringIO(text)):
        for block in row["Address Block"].split(","):
            yield ipaddress.ip_network(block.split("[")[0].strip()), row


def line(net, row):
    name = row["Name"].strip()
    words = WORDS_BY_VERSION.get(name, {}).get(net.version) or WORDS.get(name)
    if not words:
        words = "a special-purpose address"
        print(f"new: {net} ({name}). People are told that it is {words}; WORDS in tests/networks.py can say more")
    rfc = re.search(r"RFC(\d+)", row["RFC"])
    columns = [str(net), "private" if name in PRIVATE else "unusable", words, name, f"RFC {rfc[1]}" if rfc else row["RFC"].strip()]
    return "\t".join(" ".join(column.split()) for column in columns)


def table(texts):
    """The lines of the table. Of two blocks that end at one address, the smaller stands first."""
    read = [block for text in [*texts, MULTICAST] for block in blocks(text)]
    read.sort(key=lambda block: (block[0].version, int(block[0].broadcast_address), -int(block[0].network_address)))
    return [line(net, row) for net, row in read]


def written(lines, date):
    return HEAD.format(date=date, v4=REGISTRY.format(4), v6=REGISTRY.format(6)) + "".join(f"{line}\n" for line in lines)


def fetched():
    return {file: urllib.request.urlopen(url, timeout=30).read().decode().replace("\r\n", "\n") for file, url in REGISTRIES.items()}


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--write", action="store_true", help="write the table rather than fail")
    parser.add_argument("--date", default=datetime.date.today().isoformat(), help="as of when, for --write (default: today)")
    parser.add_argument("files", nargs="*", type=pathlib.Path, help="CSV files of the registries (default: IANA's)")
    asked = parser.parse_args()
    texts = {file: file.read_text() for file in asked.files} or fetched()
    for file, text in texts.items():
        if not any(blocks(text)):
            sys.exit(f"{file} has no block: it is not a registry")
    lines, old = table(texts.values()), TABLE.read_text()
    known = [line for line in old.splitlines() if not line.startswith("#")]
    for sign, one, other in (("-", known, lines), ("+", lines, known)):
        for entry in one:
            if entry not in other:
                print(sign, entry)
    if asked.write and not asked.files:
        for file, text in texts.items():
            file.write_text(text)
    # The day alone is no difference.
    if old == written(lines, old.partition("as of ")[2][:10]):
        print(f"{TABLE.name} is what the registries give: {len(lines)} blocks")
        return 0
    if not asked.write:
        print(f"{TABLE.name} is not what the registries give; ./x networks --write writes it")
        return 1
    TABLE.write_text(written(lines, asked.date))
    print(f"{TABLE.name} is written: {len(lines)} blocks")
    return 0


if __name__ == "__main__":
    sys.exit(main())

"""Keeps of Discord's OpenAPI description what a body that we send is made of.

Usage: trim.py openapi.json > requests.json
"""

import json
import sys

CALLS = {
    "/applications/{application_id}/commands": "put",
    "/applications/{application_id}/guilds/{guild_id}/commands": "put",
    "/channels/{channel_id}/messages": "post",
    "/channels/{channel_id}/messages/{message_id}": "patch",
    "/channels/{channel_id}/messages/{message_id}/threads": "post",
    "/interactions/{interaction_id}/{interaction_token}/callback": "post",
    "/users/@me/channels": "post",
    "/webhooks/{webhook_id}/{webhook_token}/messages/@original": "patch",
}
SCHEMAS = "#/components/schemas/"


def references(node):
    if isinstance(node, dict):
        yield from ([node["$ref"]] if "$ref" in node else [])
        node = list(node.values())
    if isinstance(node, list):
        for each in node:
            yield from references(each)


def main(path):
    with open(path, encoding="utf-8") as file:
        spec = json.load(file)
    bodies = {f"{method} {path}": spec["paths"][path][method]["requestBody"]["content"]["application/json"]["schema"] for path, method in CALLS.items()}
    kept, waiting = {}, list(references(bodies))
    while waiting:
        name = waiting.pop().removeprefix(SCHEMAS)
        if name not in kept:
            kept[name] = spec["components"]["schemas"][name]
            waiting += references(kept[name])
    json.dump({"bodies": bodies, "components": {"schemas": dict(sorted(kept.items()))}}, sys.stdout, indent=1)
    print()


if __name__ == "__main__":
    main(sys.argv[1])

"""The chats' own SDKs as judges: whether Slack's models take what our server says, and whether they take our doubles' signatures for Slack's and Discord's."""

import functools
import http.server
import json
import pathlib
import sys

import jsonschema
import yaml
from discord_interactions import verify_key
from slack_sdk.models.blocks import Block
from slack_sdk.models.views import View
from slack_sdk.signature import Clock, SignatureVerifier


def complaints_about(said):
    """What the models refuse in a message or a view; they check every limit that Slack documents when they are written out."""
    try:
        if said.get("type") in ("modal", "home"):
            said = {key: said[key] for key in said if key not in ("id", "team_id", "hash", "state")}
            return lost(said, View(**said).to_dict(), said["type"])
        blocks = said.get("blocks", [])
        parsed = [Block.parse(block) for block in blocks]
        unknown = [f"no model for {block.get('type')}" for block, model in zip(blocks, parsed) if model is None]
        return unknown or lost(blocks, [model.to_dict() for model in parsed], "blocks")
    except Exception as error:  # whatever the models raise is what the test is to see
        return [f"{type(error).__name__}: {error}"]


def lost(given, kept, at):
    """What a model did not know, and so left out."""
    if isinstance(given, dict) and isinstance(kept, dict):
        missing = [f"{at}.{key} is unknown to the model" for key in given if key not in kept]
        return missing + [each for key in given if key in kept for each in lost(given[key], kept[key], f"{at}.{key}")]
    if isinstance(given, list) and isinstance(kept, list) and len(given) == len(kept):
        return [each for number, pair in enumerate(zip(given, kept)) for each in lost(*pair, f"{at}[{number}]")]
    return [] if given == kept else [f"{at} became {kept!r}"]


SCHEMA = jsonschema.Draft7Validator(json.loads((pathlib.Path(__file__).parent / "manifest.schema.json").read_text()))


def complaints_about_manifest(text):
    """What Slack's schema refuses in a manifest."""
    return [f"{'.'.join(map(str, error.path))}: {error.message}" for error in SCHEMA.iter_errors(yaml.safe_load(text))]


DISCORD = json.loads((pathlib.Path(__file__).parents[1] / "discord" / "requests.json").read_text())


@functools.cache
def discord_validator(call):
    """The references within Discord's description lead from its root."""
    return jsonschema.Draft202012Validator({"components": DISCORD["components"], **DISCORD["bodies"][call]})


def complaints_about_discord(call, body):
    """What Discord's own OpenAPI description refuses in the body of a call."""
    # The reference and every library write a bit set as text; the description calls it a number.
    if call.endswith("/commands"):
        body = [{**command, "default_member_permissions": int(command["default_member_permissions"])} for command in body]
    errors = sorted(discord_validator(call).iter_errors(body), key=jsonschema.exceptions.relevance)
    return [f"{call}: {error.json_path}: {jsonschema.exceptions.best_match([error]).message[:300]}" for error in errors]


class At(Clock):
    def __init__(self, seconds):
        self.seconds = seconds

    def now(self):
        return self.seconds


def signature_holds(request):
    timestamp = request["timestamp"]
    verifier = SignatureVerifier(request["secret"], At(int(timestamp)))
    return verifier.is_valid(body=request["body"], timestamp=timestamp, signature=request["signature"])


def discord_signature_holds(request):
    return verify_key(request["body"].encode(), request["signature"], request["timestamp"], request["key"])


class Handler(http.server.BaseHTTPRequestHandler):
    def do_POST(self):
        request = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        judges = {
            "/signature": signature_holds,
            "/discord-signature": discord_signature_holds,
            "/manifest": complaints_about_manifest,
            "/discord-requests": lambda sent: [complaint for call, body in sent for complaint in complaints_about_discord(call, body)],
            "/models": lambda said: [complaints_about(each) for each in said],
        }
        answer = judges[self.path](request)
        body = json.dumps(answer).encode()
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_):
        pass


if __name__ == "__main__":
    http.server.ThreadingHTTPServer(("127.0.0.1", int(sys.argv[1])), Handler).serve_forever()

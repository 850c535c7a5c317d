"""Draws the guide's pictures: Block Kit as the real server sent it (the snapshots beside this file), as Slack would show it.

Usage: draw.py FOLDER, which must be empty or missing; makes one HTML page a picture. Needs nothing but Python.
"""

import datetime
import html
import json
import pathlib
import re
import sys

HERE = pathlib.Path(__file__).parent
# What each picture shows, one snapshot after the other; a name in front is whoever types a command.
PICTURES = {
    "help": [("ana", "/entryguard", "help")],
    "start": [("ana", "/entryguard start 1h", "confirm_again")],
    "form": [(None, None, "modal")],
    "thread": [(None, None, "thread_active")],
    "partial": [(None, None, "thread_partial")],
    "reminder": [(None, None, "thread_reminded")],
    "over": [(None, None, "thread_over")],
    "approval": [(None, None, "request")],
    "break-glass": [(None, None, "break_glass")],
    "emergency": [("bo", "/entryguard panic", "panic")],
    "home": [(None, None, "home")],
    "mistake": [("ana", "/entryguard stat 2h", "mistake")],
}
STYLE = """
* { box-sizing: border-box } body { margin: 0; padding: 16px; width: 680px; background: #fff; color: #1d1c1d;
  font: 15px/1.46 Lato, "Liberation Sans", "DejaVu Sans", "Noto Color Emoji", sans-serif }
.typed { color: #616061; margin: 0 0 12px 46px } .typed code { color: #1d1c1d; background: none; border: 0; padding: 0 }
.message { display: flex; gap: 10px; margin-bottom: 14px } .reply { margin-left: 46px; border-left: 2px solid #ddd; padding-left: 12px }
.face { flex: 0 0 36px; height: 36px; border-radius: 6px; background: #1a56c4; color: #fff; font-weight: 700; text-align: center; line-height: 36px }
.name { font-weight: 700 } .app { background: #e8e8e8; color: #616061; font-size: 10px; font-weight: 700; border-radius: 2px; padding: 1px 3px; margin: 0 6px }
.whisper, .when { color: #616061; font-size: 12px } .body { flex: 1; min-width: 0 }
.block { margin: 4px 0 8px } .context { color: #616061; font-size: 13px; line-height: 1.38 } .header { font-size: 18px; font-weight: 900; margin: 8px 0 }
button { font: 700 14px/1 Lato, "Liberation Sans", sans-serif; color: #1d1c1d; background: #fff; border: 1px solid #bbb; border-radius: 4px;
  padding: 9px 12px; margin: 0 8px 6px 0 } button.primary { background: #007a5a; border-color: #007a5a; color: #fff }
button.danger { background: #e01e5a; border-color: #e01e5a; color: #fff }
code { font: 12px/1.5 "DejaVu Sans Mono", monospace; color: #c01343; background: #f6f6f6; border: 1px solid #ddd; border-radius: 3px; padding: 1px 3px }
pre { font: 12px/1.5 "DejaVu Sans Mono", monospace; background: #f8f8f8; border: 1px solid #ddd; border-radius: 4px; padding: 8px; white-space: pre-wrap; margin: 4px 0 }
hr { border: 0; border-top: 1px solid #ddd; margin: 14px 0 } a { color: #1264a3 } .input label { font-weight: 700; display: block; margin-bottom: 4px }
.field { border: 1px solid #868686; border-radius: 4px; padding: 8px 12px; color: #616061 } .field.set { color: #1d1c1d } .hint { color: #616061; font-size: 13px }
.modal { border: 1px solid #ccc; border-radius: 8px; box-shadow: 0 4px 16px rgba(0,0,0,.15) } .modal > .title { font-size: 20px; font-weight: 900; padding: 16px 20px }
.modal > .inside { padding: 0 20px 8px } .modal > .foot { border-top: 1px solid #ddd; padding: 14px 20px; text-align: right }
.choice { display: block; margin: 4px 0; font-weight: 400 } .optional { color: #616061; font-weight: 400 }
"""

HEIGHT = "<script>document.title = Math.ceil(document.documentElement.getBoundingClientRect().height)</script>"


def marked(text):
    """Slack's mrkdwn."""

    def link(found):
        inside = found.group(1)
        if inside.startswith("!date^"):
            at = datetime.datetime.fromtimestamp(int(inside.split("^")[1]), datetime.UTC)
            return f"today at {at:%-I:%M %p}"
        target, _, label = inside.partition("|")
        if target[0] in "@#!":
            return f'<a href="#">{label or target}</a>'
        return f'<a href="{target}">{label or target}</a>'

    parts = re.split(r"(```.*?```|`[^`\n]+`)", text, flags=re.S)
    for at, part in enumerate(parts):
        if part.startswith("```"):
            parts[at] = f"<pre>{part[3:-3].strip()}</pre>"
        elif part.startswith("`"):
            parts[at] = f"<code>{part[1:-1]}</code>"
        else:
            part = re.sub(r"<([^<>\n]+)>", link, part)
            part = re.sub(r"(?<![\w*\u2060])\*([^*\n]+)(?<!\u2060)\*(?![\w*])", r"<b>\1</b>", part)
            part = re.sub(r"(?<!\w)_([^_\n]+)_(?!\w)", r"<i>\1</i>", part)
            parts[at] = part.replace("\n", "<br>").replace("      ", "&emsp;&emsp;")
    return "".join(parts)


def text(part):
    if not part:
        return ""
    return marked(part["text"]) if part["type"] == "mrkdwn" else html.escape(part["text"]).replace("\n", "<br>")


def element(part):
    kind = part["type"]
    if kind == "button":
        return f'<button class="{part.get("style", "")}">{text(part["text"])}</button>'
    if kind in ("mrkdwn", "plain_text"):
        return f"<span>{text(part)}</span>"
    if kind == "static_select":
        chosen = part.get("initial_option") or part.get("placeholder") or part["options"][0]
        return f'<div class="field set">{text(chosen.get("text", chosen) if isinstance(chosen.get("text"), dict) else chosen)} &#9662;</div>'
    if kind == "plain_text_input":
        return f'<div class="field">{text(part.get("placeholder")) or "&nbsp;"}</div>'
    if kind in ("radio_buttons", "checkboxes"):
        first = part.get("initial_option", {}).get("value")
        sign = {True: "&#9673;", False: "&#9675;"} if kind == "radio_buttons" else {True: "&#9745;", False: "&#9744;"}
        return "".join(
            f'<label class="choice">{sign[option["value"] == first]} {text(option["text"])}'
            + (f'<br><span class="hint">&emsp;&ensp;{text(option["description"])}</span>' if option.get("description") else "")
            + "</label>"
            for option in part["options"]
        )
    raise ValueError(f"no drawing for {kind}")


def block(part):
    kind = part["type"]
    if kind == "section":
        return f'<div class="block">{text(part.get("text"))}</div>'
    if kind == "actions":
        return f'<div class="block">{"".join(map(element, part["elements"]))}</div>'
    if kind == "context":
        return f'<div class="block context">{" ".join(map(element, part["elements"]))}</div>'
    if kind == "header":
        return f'<div class="header">{text(part["text"])}</div>'
    if kind == "divider":
        return "<hr>"
    if kind == "input":
        optional = ' <span class="optional">(optional)</span>' if part.get("optional") else ""
        hint = f'<div class="hint">{text(part["hint"])}</div>' if part.get("hint") else ""
        return f'<div class="block input"><label>{text(part["label"])}{optional}</label>{element(part["element"])}{hint}</div>'
    raise ValueError(f"no drawing for {kind}")


def message(content, reply, whisper):
    inside = "".join(map(block, content.get("blocks", []))) or f'<div class="block">{marked(content["text"])}</div>'
    only = '<div class="whisper">Only visible to you</div>' if whisper else ""
    return (
        f'<div class="message {"reply" if reply else ""}"><div class="face">E</div><div class="body">{only}'
        f'<span class="name">EntryGuard</span><span class="app">APP</span><span class="when">12:00 PM</span>{inside}</div></div>'
    )


def view(content):
    inside = "".join(map(block, content["blocks"]))
    if content["type"] == "home":
        return inside
    foot = f'<button>{text(content["close"])}</button>' + (
        f'<button class="primary">{text(content["submit"])}</button>' if content.get("submit") else ""
    )
    return f'<div class="modal"><div class="title">{text(content["title"])}</div><div class="inside">{inside}</div><div class="foot">{foot}</div></div>'


def snapshot(name):
    return json.loads((HERE / f"{name}.snap").read_text().split("---\n", 2)[2])


def drawn(shown):
    page = []
    for who, typed, name in shown:
        if typed:
            page.append(f'<p class="typed">{who} types <code>{html.escape(typed)}</code></p>')
        for at, content in enumerate(snapshot(name)):
            is_view = content.get("type") in ("home", "modal")
            page.append(view(content) if is_view else message(content, reply=at > 0, whisper=bool(typed)))
    return f'<!doctype html><meta charset="utf-8"><style>{STYLE}</style>{"".join(page)}{HEIGHT}'


if __name__ == "__main__":
    folder = pathlib.Path(sys.argv[1])
    folder.mkdir(parents=True, exist_ok=True)
    for picture, shown in PICTURES.items():
        (folder / f"{picture}.html").write_text(drawn(shown))
        print(picture)

"""Takes what a model only thought out of its answer.

Servers of thinking models leave the thoughts in the text, between tags of many kinds, often with the closing tag
alone. What stands there is no answer, whatever table it holds.
"""

from __future__ import annotations

import re

_NAMES = r"think|thinking|thoughts?|reasoning|reason|analysis|scratchpad|reflection|inner_monologue|draft|deliberation"
_TAG = re.compile(
    rf"<\s*(?P<close>/?)\s*(?:[a-z]+:)?(?:{_NAMES})(?:\s+\w+=[^<>\n]{{0,80}})?\s*>"
    r"|\[\s*(?P<close2>/?)\s*think(?:ing)?\s*\]"  # other words in brackets are headings
    rf"|◁\s*(?P<close3>/?)\s*(?:{_NAMES})\s*▷"
    rf"|<\|\s*(?P<close4>/|(?:end_of_|end_|begin_of_|begin_|start_)?)\s*(?:{_NAMES})\s*(?P<close5>_end)?\|>"
    r"|(?P<details><details\b[^<>\n]{0,200}\btype\s*=\s*[\"']?(?:reasoning|thinking)[^<>\n]{0,200}>)"
    r"|(?P<undetails></details\s*>)",
    re.IGNORECASE,
)
# Channels of OpenAI's open models: everything but the last "final" is thought; a converter may have lost the tags.
_CHANNEL = re.compile(r"<\|channel\|>\s*(\w+)[^<>]{0,80}?(?:<\|constrain\|>[^<>]{0,40})?<\|message\|>", re.IGNORECASE)
_BARE_CHANNELS = re.compile(r"\A\s*analysis(?=[A-Z\s]).*assistantfinal", re.DOTALL)
_SPECIAL = re.compile(r"<\|(?:start|end|return|call|im_end|eot_id|end_of_text|assistant)\|>", re.IGNORECASE)
_ANSWER = re.compile(
    r"<(answer|final_answer|final|solution)>(?P<text>.*?)(?:</\1>|\Z)"
    r"|<\|begin_of_(?:solution|box|answer)\|>(?P<text2>.*?)(?:<\|end_of_(?:solution|box|answer)\|>|\Z)",
    re.IGNORECASE | re.DOTALL,
)


def without_thoughts(text: str) -> str:
    """The text without its thoughts: between their tags, before a closing tag alone, after an opening tag alone."""
    text = _final_channel(text)
    if not any(mark in text for mark in "<[◁"):
        return text
    kept: list[str] = []
    depth, details, position = 0, 0, 0
    for tag in _TAG.finditer(text):
        if tag.group("undetails") and not details:
            continue
        if depth == 0:
            kept.append(text[position : tag.start()])
        position = tag.end()
        if not _closes(tag):
            depth += 1
            details += bool(tag.group("details"))
        elif depth > 0:
            depth -= 1
            details -= bool(tag.group("undetails"))
        else:
            kept.clear()  # the closing tag alone: all before it was thought
    if depth:  # never closed: the answer is what is marked as such, or was not reached
        answer = _ANSWER.search(text, position)
        position = answer.start() if answer else len(text)
    kept.append(text[position:])
    return "\n".join(kept) if position else text


def answer_blocks(text: str) -> str | None:
    """What stands in the last pair of tags that mark the answer itself; None without such tags."""
    if "<" not in text:
        return None
    last = None
    for block in _ANSWER.finditer(text):
        last = block.group("text") if block.group("text") is not None else block.group("text2")
    return last


def _closes(tag: re.Match[str]) -> bool:
    marks = [tag.group(name) for name in ("close", "close2", "close3", "undetails", "close5")]
    return any(marks) or (tag.group("close4") or "").lower() in ("/", "end_of_", "end_")


def _final_channel(text: str) -> str:
    bare = _BARE_CHANNELS.match(text)
    if bare:
        return text[bare.end() :]
    channels = list(_CHANNEL.finditer(text)) if "<|channel|>" in text.lower() else []
    if not channels:
        return text
    finals = [channel for channel in channels if channel.group(1).lower() == "final"]
    return _SPECIAL.sub(" ", text[finals[-1].end() :]) if finals else ""

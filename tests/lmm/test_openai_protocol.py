"""What OpenAI-compatible servers say, in forms that the local server does not take."""

from __future__ import annotations

import json

import pytest

from prosepose_jax.lmm.clients import ModelSettings, Picture, Rejected, Request, TryAgain, Unusable
from prosepose_jax.lmm.clients import _openai_protocol as protocol
from prosepose_jax.lmm.clients._discreet import redact
from prosepose_jax.lmm.clients._reason import server_reason

REQUEST = Request("hug", (0, 1), (0, 1), 'say "hi"\n', "where?", Picture(b"\xff\xd8\x00" * 50, 3, 4))


def test_the_bytes_are_the_json_of_the_request() -> None:
    def fields() -> dict:
        return protocol.body(REQUEST, "m", 2, ModelSettings(temperature=0.5, max_tokens=9), "max_tokens")

    sent = json.loads(protocol.encoded(fields(), REQUEST))
    assert sent == protocol.with_picture(fields(), REQUEST)
    assert sent["messages"][0] == {"role": "system", "content": 'say "hi"\n'}
    image, text = sent["messages"][1]["content"]
    assert image["image_url"]["url"] == "data:image/jpeg;base64," + REQUEST.picture.base64.decode()
    assert text == {"type": "text", "text": "where?"}
    assert (sent["n"], sent["temperature"], sent["max_tokens"]) == (2, 0.5, 9)
    plain = protocol.body(REQUEST, "m", 1, ModelSettings(temperature=None), "max_completion_tokens")
    assert "n" not in plain and "temperature" not in plain and plain["max_completion_tokens"] == 500


@pytest.mark.parametrize("odd", [None, [1], {"a": 1}, "NaN", "7", True, float("nan"), float("inf"), -1, 10**300])
def test_odd_counts_of_tokens_lose_no_answer(odd: object) -> None:
    choice = {"message": {"content": "text"}, "finish_reason": "stop"}
    usage = {"prompt_tokens": odd, "completion_tokens": 5}
    found = protocol.read_response({"choices": [choice], "usage": usage}, 1)
    assert (found.replies[0].text, found.tokens_in, found.tokens_out) == ("text", 0, 5)


def test_answers_in_parts_and_without_usage() -> None:
    data = {"choices": [{"message": {"content": [{"type": "text", "text": "a"}, {"text": "b"}]}}], "usage": None}
    (reply,) = protocol.read_response(data, 1).replies
    assert reply.text == "ab" and reply.finish == "" and not reply.refused


@pytest.mark.parametrize("data", [None, [], {}, {"choices": None}, {"choices": [None]}, {"choices": [{"text": "old"}]}])
def test_other_json_is_tried_again(data: object) -> None:
    with pytest.raises(TryAgain):
        protocol.read_response(data, 1)


@pytest.mark.parametrize(
    ("data", "error"),
    [
        ({"error": {"code": 429, "message": "busy"}}, TryAgain),
        ({"error": {"code": 402, "message": "no credit"}}, Unusable),
        ({"error": {"message": "something"}}, TryAgain),
        ({"error": {"code": 400, "message": "too large"}}, Rejected),
    ],
)
def test_errors_in_disguise(data: dict, error: type[Exception]) -> None:
    with pytest.raises(error, match=data["error"]["message"]):
        protocol.read_response(data, 1)


@pytest.mark.parametrize(
    ("status", "content"),
    [
        (400, {"error": {"code": "content_filter", "message": "no"}}),
        (400, {"error": {"type": "content_policy_violation", "message": "no"}}),
        (403, {"error": {"message": "requires moderation and your input was flagged"}}),
    ],
)
def test_content_that_the_server_refuses_is_an_answer(status: int, content: dict) -> None:
    replies = protocol.failed(status, content, None, 3).replies
    assert len(replies) == 3 and all(reply.refused and reply.text == "" for reply in replies)


@pytest.mark.parametrize(
    ("status", "content", "error", "words"),
    [
        (401, {"error": {"message": "bad key"}}, Unusable, "HTTP 401: bad key"),
        (402, "pay first", Unusable, "HTTP 402: pay first"),
        (404, {"detail": "Not Found"}, Unusable, "HTTP 404: Not Found"),
        (308, "", Unusable, "HTTP 308"),
        (429, {"error": {"code": "insufficient_quota", "message": "empty"}}, Unusable, "empty"),
        (429, {"error": "slow"}, TryAgain, "HTTP 429: slow"),
        (500, None, TryAgain, "HTTP 500"),
        (422, {"object": "error", "message": "n must be 1"}, Rejected, "n must be 1"),
    ],
)
def test_statuses(status: int, content: object, error: type[Exception], words: str) -> None:
    with pytest.raises(error, match=words) as caught:
        protocol.failed(status, content, 7.0, 1)
    if error is TryAgain:
        assert caught.value.wait_s == 7.0 and caught.value.busy == (status == 429)


TEXT = {"message": {"content": "| hand | back |"}, "finish_reason": "stop"}
FAILURES = [
    {"message": {"content": ""}, "finish_reason": "error", "error": {"code": 502, "message": "Provider disconnected"}},
    {"message": {"content": "| hand"}, "finish_reason": "error"},
    {"message": {"content": "| hand"}, "finish_reason": "abort"},
    {"message": {"content": None}, "finish_reason": None, "error": {"code": "503", "message": "busy"}},
    {"message": {"content": "", "error": "lost"}, "finish_reason": "stop"},
    {"error": "provider lost"},
    {"message": {"content": ""}, "finish_reason": "insufficient_system_resource"},
]


@pytest.mark.parametrize("failure", FAILURES)
def test_a_failed_choice_is_no_answer(failure: dict) -> None:
    with pytest.raises(TryAgain):
        protocol.read_response({"choices": [failure]}, 1)
    some = protocol.read_response({"choices": [failure, TEXT, failure]}, 3)
    assert [reply.text for reply in some.replies] == ["| hand | back |"]  # the sampler asks for the others


def test_what_a_failed_choice_says() -> None:
    with pytest.raises(TryAgain, match="HTTP 502: Provider disconnected"):
        protocol.read_response({"choices": FAILURES[:1]}, 1)
    with pytest.raises(Rejected, match="image too large"):
        protocol.read_response({"choices": [{"error": {"code": 400, "message": "image too large"}}]}, 1)
    with pytest.raises(TryAgain, match="HTTP 429: slow down"):
        protocol.read_response({"choices": [], "error": {"code": 429, "message": "slow down"}}, 1)
    refused = {"choices": [{"error": {"code": 400, "message": "stopped by content_filter"}}]}
    assert protocol.read_response(refused, 1).replies[0].refused
    kept = protocol.read_response({"choices": [{"message": {"content": "a"}, "finish_reason": "length"}]}, 1)
    assert kept.replies[0].text == "a"


@pytest.mark.parametrize(
    ("content", "words"),
    [
        ({"detail": [{"loc": ["body", "messages", 1, "content"], "msg": "str type expected", "type": "type_error"}]},
         "body.messages.1.content: str type expected"),
        ({"detail": "This model does not support image input."}, "This model does not support image input."),
        ({"detail": {"error": {"message": "too long"}}}, "too long"),
        ({"error": "model 'x' not found, try pulling it first"}, "model 'x' not found, try pulling it first"),
        ({"error": {"message": "no images", "param": "messages", "code": None}}, "messages: no images"),
        ([{"error": {"code": 400, "message": "API key not valid", "status": "INVALID_ARGUMENT"}}], "API key not valid"),
        ({"object": "error", "message": "n must be 1", "code": 400}, "n must be 1"),
        ({"Message": "Signature expired"}, "Signature expired"),
        ({"errors": {"messages": ["is too long"]}}, "messages: is too long"),
        ({"success": False, "errors": [{"code": 7003, "message": "No route for that URI"}]}, "No route for that URI"),
        ({"title": "Bad Request", "detail": "images are not supported", "status": 400}, "images are not supported"),
        ({"type": "error", "error": {"type": "overloaded_error", "message": "Over loaded"}}, "Over loaded"),
        ({"error": {"message": "Provider error", "metadata": {"raw": '{"error": {"message": "image too big"}}'}}},
         "image too big"),
        ('{"error": {"message": "inside a text"}}', "inside a text"),
        ("<html><head><title>413 Request Entity Too Large</title></head><body>nginx</body></html>",
         "413 Request Entity Too Large"),
        ("<html><body><h1>Bad Gateway</h1></body></html>", "Bad Gateway"),
        ("upstream connect error", "upstream connect error"),
        ({"weird": 17, "other": ["a b"]}, '{"weird": 17, "other": ["a b"]}'),
        (None, "no reason given"), ("", "no reason given"), ({}, "no reason given"), ([], "no reason given"),
    ],
)  # fmt: skip
def test_the_servers_words_whatever_their_wrapping(content: object, words: str) -> None:
    assert words in server_reason(content)
    with pytest.raises(Rejected, match="HTTP 422: ") as caught:
        protocol.failed(422, content, None, 1)
    assert words in str(caught.value)


def test_reasons_are_short_and_of_one_line() -> None:
    deep: object = "end"
    for _ in range(5000):
        deep = {"error": deep}
    for content in ("x" * 10_000, {"message": "a\n\tb " * 1000}, {"errors": ["a b"] * 10_000}, deep, "[" * 5000):
        reason = redact(server_reason(content), [])
        assert 0 < len(reason) <= 500 and "\n" not in reason

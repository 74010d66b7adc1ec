"""What OpenAI-compatible servers say, in forms that the local server does not take."""

from __future__ import annotations

import json

import pytest

from prosepose_jax.lmm.clients import ModelSettings, Picture, Rejected, Request, TryAgain, Unusable
from prosepose_jax.lmm.clients import _openai_protocol as protocol

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
        (404, {"detail": "Not Found"}, Unusable, "HTTP 404: no reason given"),
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

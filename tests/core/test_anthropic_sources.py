from __future__ import annotations

from typing import Any

import pytest

from core.fixtures.messages import NAME, block, delta, said, told
from core.fixtures.streams import body, cuts, deltas, frames
from ssechat.core.deltas import (
    About,
    Citation,
    Delta,
    EndState,
    Media,
    MediaKind,
    Text,
    Tool,
    Usage,
    Verdict,
)
from ssechat.core.dialects import anthropic


def read(chunks: list[bytes]) -> list[Delta]:
    return deltas(NAME, frames(chunks, anthropic.END_MARK))


def cited(**citation: Any) -> list[Delta]:
    return told(delta(0, "citations_delta", citation=citation))


def result(kind: str, content: Any) -> str:
    """What is shown of a server tool's result."""
    (tool,) = told(block(1, kind, tool_use_id="t", content=content))
    assert isinstance(tool, Tool)
    assert (tool.id, tool.name) == ("t", kind)
    return tool.arguments


# A whole stream


def test_a_search_means_the_same_wherever_its_bytes_are_cut() -> None:
    whole = body("anthropic_search")
    expected = read([whole])
    for chunks in cuts(whole):
        assert read(chunks) == expected


def test_a_search_is_shown_with_what_it_found_and_cited() -> None:
    assert read([body("anthropic_search")]) == [
        About("claude-x", "msg_1"),
        Usage(1003, 1),
        Tool(0, "srvtoolu_1", "web_search"),
        Tool(0, arguments='{"query":"cats"}'),
        Tool(1, "srvtoolu_1", "web_search_tool_result", "A cat https://cats.example/1"),
        Citation("A cat", "https://cats.example/1", "It sits."),
        Text("A cat sits."),
        Usage(1003, 20),
        Usage(1005, 31, 0),
        Verdict(EndState.LENGTH, "the server paused its turn; F6 goes on"),
    ]


# Citations


def test_a_place_in_a_document_is_cited_by_the_documents_title() -> None:
    place = {"start_char_index": 0, "end_char_index": 8, "file_id": None}
    told_here = cited(
        type="char_location", document_title="Tales", cited_text="Once\nupon", **place
    )
    assert told_here == [Citation("Tales", "", "Once upon")]


def test_a_search_result_is_cited_by_its_source_if_that_is_an_address() -> None:
    kind = "search_result_location"
    assert cited(type=kind, title="T", source="https://a") == [Citation("T", "https://a")]
    assert cited(type=kind, title="T", source="shelf 3") == [Citation("T")]


def test_citations_that_a_block_starts_with_are_told() -> None:
    start = block(0, "text", text="a", citations=[{"title": "T"}, None, {"title": ""}])
    assert told(start) == [Text("a"), Citation("T")]


@pytest.mark.parametrize("citation", [None, [], {"type": "page_location"}, {"url": "file:///x"}])
def test_a_citation_of_nothing_means_nothing(citation: Any) -> None:
    assert told(said("a"), delta(0, "citations_delta", citation=citation)) == [Text("a")]


# What a server's own tools found


@pytest.mark.parametrize(
    ("kind", "content", "shown"),
    [
        (
            "web_search_tool_result",
            {"type": "web_search_tool_result_error", "error_code": "max_uses_exceeded"},
            "max_uses_exceeded",
        ),
        (
            "code_execution_tool_result",
            {"type": "code_execution_result", "stdout": "4\n", "stderr": "", "return_code": 0},
            "4",
        ),
        ("mcp_tool_result", [{"type": "text", "text": "a"}, {"type": "text", "text": "b"}], "a\nb"),
        ("new_tool_result", "opaque", ""),
        ("new_tool_result", None, ""),
        ("web_search_tool_result", [{"encrypted_content": "EqgfCioIARgB"}], ""),
    ],
)
def test_the_result_of_a_servers_tool_is_shown(kind: str, content: Any, shown: str) -> None:
    assert result(kind, content) == shown


def test_a_result_is_cleaned_and_bounded() -> None:
    shown = result("mcp_tool_result", [{"text": "\x1b[2J" + "x" * 500}] * 500).split("\n")
    assert len(shown) == anthropic.MAX_FOUND
    assert all(line.isprintable() and len(line) <= 80 for line in shown)


# Images


def test_an_image_block_is_an_image() -> None:
    source = {"type": "base64", "media_type": "image/png", "data": "iVBORw0K"}
    assert told(block(2, "image", source=source)) == [
        Media(MediaKind.IMAGE, "2", b"\x89PNG\r\n", "image/png", whole=True)
    ]


def test_an_image_that_lies_elsewhere_is_named() -> None:
    source = {"type": "url", "url": "https://host/cat.png"}
    assert told(block(2, "image", source=source)) == [
        Media(MediaKind.IMAGE, "2", url="https://host/cat.png", whole=True)
    ]


@pytest.mark.parametrize("source", [None, {}, {"data": "*"}, {"url": "file:///x"}])
def test_an_image_that_cannot_be_read_is_left_out(source: Any) -> None:
    assert told(block(2, "image", source=source)) == []

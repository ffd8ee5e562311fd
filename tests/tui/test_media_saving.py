"""Images and audio on their way out: names, modes, and the program that shows them."""

from __future__ import annotations

import os
import stat
import time
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ssechat import paths
from ssechat.core.blob import media_file
from ssechat.core.deltas import EndState, Media, MediaKind, Text, Verdict
from ssechat.core.errors import Problem
from ssechat.core.reply import Reply, restore
from ssechat.tui import saving
from ssechat.tui.transcript import Page, ReplyItem, UserItem
from support.media import png, sound
from support.pages import HOSTILE

PICTURE = media_file(1, png())


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


@pytest.fixture
def downloads(home: Path) -> Path:
    folder = home / "Downloads"
    folder.mkdir()
    return folder


# Saving


async def test_a_file_is_saved_among_the_downloads_for_its_owner_alone(downloads: Path) -> None:
    path = await saving.save(PICTURE, "A cat, on a mat!", 3)
    assert path == downloads / "ssechat-a-cat-on-a-mat-3.png"
    assert path.read_bytes() == png()
    assert mode(path) == 0o600


async def test_without_downloads_it_is_saved_at_home(home: Path) -> None:
    assert (await saving.save(PICTURE, "cat", 1)).parent == home


async def test_nothing_is_ever_overwritten(downloads: Path) -> None:
    (downloads / "ssechat-cat-1.png").write_text("mine")
    (downloads / "ssechat-cat-1-2.png").symlink_to(downloads / "elsewhere")
    path = await saving.save(PICTURE, "cat", 1)
    assert path.name == "ssechat-cat-1-3.png"
    assert (downloads / "ssechat-cat-1.png").read_text() == "mine"
    assert not (downloads / "elsewhere").exists()


async def test_the_suffix_is_that_of_the_content(downloads: Path) -> None:
    for data, suffix in ((sound(0.1), ".wav"), (b"#!/bin/sh", ".bin"), (b"<svg/>", ".bin")):
        assert (await saving.save(media_file(1, data), "x", 1)).suffix == suffix


@pytest.mark.parametrize(
    ("title", "name"),
    [
        ("../../etc/passwd", "etc-passwd"),
        ("-rf ~; $(reboot) `x` \0\n", "rf-reboot-x"),
        ("傅里叶变换 是什么?", "傅里叶变换-是什么"),
        ("\x1b[2J\u202eevil", "2j-evil"),
        ("...", "conversation"),
        ("", "conversation"),
    ],
)
def test_a_title_becomes_a_harmless_name(title: str, name: str) -> None:
    assert saving.slug(title) == name


@given(st.text(max_size=60) | st.sampled_from(HOSTILE) | st.text().map(lambda text: text * 50))
def test_whatever_the_title_the_name_is_short_and_harmless(title: str) -> None:
    name = saving.slug(title)
    assert 0 < len(os.fsencode(name)) <= 200
    assert all(char.isalnum() or char == "-" for char in name)
    assert not name.startswith("-")


async def test_where_nothing_can_be_written_a_problem_says_what_to_do(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HOME", str(tmp_path / "gone"))
    with pytest.raises(Problem) as caught:
        await saving.save(PICTURE, "cat", 1)
    assert caught.value.remedy
    assert "ssechat-cat-1.png" in caught.value.title


# Showing


def program(folder: Path, monkeypatch: pytest.MonkeyPatch, script: str) -> None:
    """Let `script` be the desktop's opener, on a desktop."""
    file = folder / "xdg-open"
    file.write_text(f"#!/bin/sh\n{script}\n")
    file.chmod(0o700)
    monkeypatch.setattr("sys.platform", "linux")
    monkeypatch.setenv("PATH", f"{folder}:/usr/bin:/bin")
    monkeypatch.setenv("DISPLAY", ":0")


async def test_the_program_gets_the_path_of_a_private_copy(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    program(tmp_path, monkeypatch, f'printf "%s\\n" "$@" > {tmp_path}/arguments')
    assert await saving.show(PICTURE)
    (name,) = (tmp_path / "arguments").read_text().splitlines()
    check_copy(Path(name))


def check_copy(copy: Path) -> None:
    assert copy.parent == paths.viewing_dir()
    assert copy.read_bytes() == png()
    assert copy.suffix == ".png"
    assert (mode(copy), mode(copy.parent)) == (0o600, 0o700)


async def test_a_program_that_stays_open_is_not_waited_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(saving, "_GLANCE", 0.05)
    program(tmp_path, monkeypatch, f"exec cat {fifo(tmp_path)}")
    assert await saving.show(PICTURE)
    (tmp_path / "fifo").write_text("the end")  # the program still reads


def fifo(folder: Path) -> Path:
    os.mkfifo(folder / "fifo")
    return folder / "fifo"


async def test_a_program_that_fails_is_a_problem_with_a_remedy(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    program(tmp_path, monkeypatch, "exit 3")
    with pytest.raises(Problem, match="xdg-open could not open the file") as caught:
        await saving.show(PICTURE)
    assert (caught.value.detail, caught.value.remedy) == ("it ended with 3", "save it instead")


async def test_without_a_display_nothing_is_started(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    program(tmp_path, monkeypatch, f"touch {tmp_path}/started")
    monkeypatch.delenv("DISPLAY")
    monkeypatch.delenv("WAYLAND_DISPLAY", raising=False)
    assert not await saving.show(PICTURE)
    assert not (tmp_path / "started").exists()


async def test_over_ssh_to_a_mac_nothing_is_started(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.platform", "darwin")
    monkeypatch.setenv("SSH_CONNECTION", "10.0.0.1 1 10.0.0.2 22")
    assert saving.viewer() is None


async def test_copies_that_were_shown_long_ago_are_removed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    program(tmp_path, monkeypatch, "exit 0")
    old, new = (paths.viewing_dir() / name for name in ("old.png", "new.png"))
    for file in (old, new):
        file.touch()
    os.utime(old, (1.0, time.time() - 2 * 24 * 3600))
    await saving.show(PICTURE)
    assert (old.exists(), new.exists()) == (False, True)


# What there is to save


def fold(*deltas: object) -> Reply:
    reply = Reply()
    for delta in deltas:
        reply.apply(delta, 0.0)  # type: ignore[arg-type]
    return reply


def image(index: str, data: bytes, *, whole: bool = True, url: str = "") -> Media:
    return Media(MediaKind.IMAGE, index, data, url=url, whole=whole)


def test_all_that_came_on_the_page_is_there_in_its_order() -> None:
    first = fold(image("a", png()), Text("x"), image("b", b"?"), Verdict(EndState.COMPLETE))
    second = fold(
        image("elsewhere", b"", url="https://x.example"),
        image("large", bytes(16 * 2**20 + 1)),
        image("c", png()),
        image("coming", png(), whole=False),
    )
    page = Page(
        [
            ReplyItem("r1", restore(first.store()), "m", state="complete"),
            UserItem("u", "more", 0.0),
            ReplyItem("r2", second, "m"),
        ]
    )
    found = saving.things(page)
    assert [(thing.number, thing.message_id, thing.part.index) for thing in found] == [
        (1, "r1", 1),
        (2, "r1", 2),
        (3, "r2", 3),
    ]

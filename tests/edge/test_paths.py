from __future__ import annotations

import stat
from pathlib import Path

import pytest

from ssechat import paths
from ssechat.core.errors import ConfigProblem


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def test_the_environment_names_the_configuration_file(monkeypatch, tmp_path):
    monkeypatch.setenv("SSECHAT_CONFIG", str(tmp_path / "mine.toml"))
    assert paths.config_file() == tmp_path / "mine.toml"
    assert paths.user_themes_dir() == tmp_path / "themes"


def test_a_tilde_in_the_environment_is_the_home_directory(monkeypatch, home):
    monkeypatch.setenv("SSECHAT_CONFIG", "~/mine.toml")
    assert paths.config_file() == home / "mine.toml"


def test_without_overrides_the_platform_decides(monkeypatch, home):
    monkeypatch.delenv("SSECHAT_CONFIG")
    monkeypatch.delenv("SSECHAT_DATA_DIR")
    assert paths.config_file().is_relative_to(home)
    assert paths.config_file().name == "config.toml"
    assert paths.database_file().is_relative_to(home)
    assert paths.database_file().name == "ssechat.db"


def test_an_empty_override_is_none(monkeypatch, home):
    monkeypatch.setenv("SSECHAT_CONFIG", "")
    assert paths.config_file().is_relative_to(home)


def test_asking_for_the_configuration_creates_nothing(home):
    paths.config_file()
    paths.user_themes_dir()
    assert list(home.iterdir()) == []


@pytest.mark.parametrize("folder", [paths.data_dir, paths.demo_dir, paths.log_dir])
def test_directories_that_we_write_into_are_private(folder):
    assert mode(folder()) == 0o700


def test_a_directory_that_cannot_be_made_is_a_problem_with_a_remedy(monkeypatch, tmp_path):
    (tmp_path / "file").touch()
    monkeypatch.setenv("SSECHAT_DATA_DIR", str(tmp_path / "file" / "data"))
    with pytest.raises(ConfigProblem) as caught:
        paths.data_dir()
    assert str(tmp_path / "file" / "data") in caught.value.title
    assert caught.value.remedy


def test_private_files_are_not_reported(tmp_path):
    secret = tmp_path / "config.toml"
    secret.touch(0o600)
    assert paths.loose_permissions([secret, tmp_path / "missing"]) == []


@pytest.mark.parametrize(("loose", "verb"), [(0o640, "read"), (0o604, "read"), (0o662, "change")])
def test_a_loose_file_is_reported_with_the_command_that_mends_it(tmp_path, loose, verb):
    secret = tmp_path / "config.toml"
    secret.touch()
    secret.chmod(loose)
    (sentence,) = paths.loose_permissions([secret])
    assert f"others can {verb} {secret}" in sentence
    assert f"chmod 600 {secret}" in sentence


def test_a_loose_directory_is_to_be_closed_with_700(tmp_path):
    tmp_path.chmod(0o755)
    (sentence,) = paths.loose_permissions([tmp_path])
    assert f"chmod 700 {tmp_path}" in sentence


def test_what_holds_conversations_is_among_the_private_paths():
    paths.config_file().parent.mkdir()
    paths.config_file().touch()
    paths.database_file().touch()
    Path(f"{paths.database_file()}-wal").touch()
    found = paths.private_paths()
    assert {paths.config_file(), paths.data_dir(), paths.database_file()} <= set(found)
    assert Path(f"{paths.database_file()}-wal") in found


def test_themes_are_shipped():
    assert (paths.shipped_themes() / "ssechat-dark.toml").is_file()

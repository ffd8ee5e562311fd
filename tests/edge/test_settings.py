from __future__ import annotations

import os
import tempfile
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ssechat.settings import Profile, Settings, Timeouts, load

WORK = """\
[profiles.work]
dialect = "anthropic"
base_url = "https://api.example"
model = "m"
"""


@pytest.fixture
def config(tmp_path: Path) -> Path:
    return tmp_path / "config.toml"


def read(config: Path, text: str):
    config.write_text(text, "utf-8")
    return load(config)


def only(warnings):
    (warning,) = warnings
    return warning


def test_a_missing_file_is_an_empty_configuration(config):
    assert load(config) == (Settings(), [])


def test_every_key_of_the_contract_is_read(config):
    settings, warnings = read(
        config,
        """
profile = "work"
background_relay = false
[profiles.work]
dialect = "anthropic"
base_url = "https://api.anthropic.com/"
model = "claude"
api_key_env = "ANTHROPIC_API_KEY"
api_key_command = "pass show x"
api_key_keyring = "me"
headers = { X-Team = "a b" }
resume = "exact"
params = { max_tokens = 4096, stop = ["x"] }
http2 = true
background_relay = true
ca_file = "ca.pem"
timeouts = { connect = 1, headers = 2, silence = 3.5, idle = 4 }
[keys]
"chat.send" = "ctrl+s, f5"
quit = ""
[ui]
theme = "nord"
thinking = "hide"
mouse = false
fps = 20
images = "off"
language = "pt-BR"
""",
    )
    assert warnings == []
    assert settings.profile == "work"
    assert settings.background_relay is False
    assert settings.complete
    assert settings.profiles["work"] == Profile(
        name="work",
        dialect="anthropic",
        base_url="https://api.anthropic.com",
        model="claude",
        api_key_env="ANTHROPIC_API_KEY",
        api_key_command="pass show x",
        api_key_keyring="me",
        headers={"X-Team": "a b"},
        resume="exact",
        params={"max_tokens": 4096, "stop": ["x"]},
        http2=True,
        background_relay=True,
        ca_file=str(config.parent / "ca.pem"),
        timeouts=Timeouts(1, 2, 3.5, 4),
    )
    assert settings.keys == {"chat.send": ("ctrl+s", "f5"), "quit": ()}
    assert settings.ui.theme == "nord"
    assert settings.ui.thinking == "hide"
    assert settings.ui.mouse is False
    assert settings.ui.fps == 20
    assert settings.ui.images == "off"
    assert settings.ui.language == "pt-BR"


def test_timeouts_default_to_the_contract():
    assert Timeouts() == Timeouts(connect=10, headers=600, silence=45, idle=300)


def test_a_profile_inherits_background_relay_from_the_top(config):
    settings, _ = read(config, "background_relay = false\n" + WORK)
    assert settings.profiles["work"].background_relay is False


def test_relay_is_no_key_of_the_file(config):
    settings, warnings = read(config, WORK + "relay = true\n")
    assert settings.profiles["work"].relay is False
    assert only(warnings).key == "profiles.work.relay"


def test_a_warning_names_file_line_key_expectation_and_replacement(config):
    settings, warnings = read(config, WORK + "[profiles.work.timeouts]\nidle = -1\n")
    warning = only(warnings)
    assert warning.line == 6
    assert str(warning) == (
        f"{config}:6: profiles.work.timeouts.idle: expected seconds from 0.1 to 86400; using 300"
    )
    assert settings.profiles["work"].timeouts.idle == 300


def test_a_fault_inside_an_inline_table_is_found_by_its_table(config):
    _, warnings = read(config, WORK + 'timeouts = { idle = "long" }\n')
    assert only(warnings).line == 5
    assert only(warnings).key == "profiles.work.timeouts.idle"


@pytest.mark.parametrize(
    ("text", "key", "meant"),
    [
        (WORK + 'modle = "x"\n', "profiles.work.modle", "model"),
        ("[ui]\nthem = 'x'\n", "ui.them", "theme"),
        ("profil = 'x'\n", "profil", "profile"),
        ("[ui]\nthinking = 'colapse'\n", "ui.thinking", "collapse"),
        ("profile = 'wrok'\n" + WORK, "profile", "work"),
    ],
)
def test_a_near_miss_is_told_what_was_meant(config, text, key, meant):
    warning = only(read(config, text)[1])
    assert warning.key == key
    assert f'did you mean "{meant}"?' in warning.expected


@pytest.mark.parametrize(
    ("line", "key"),
    [
        ('http2 = "yes"', "http2"),
        ("background_relay = 1", "background_relay"),
        ("model = 3", "model"),
        ("headers = 3", "headers"),
        ("params = []", "params"),
        ("timeouts = 3", "timeouts"),
        ("timeouts.connect = true", "timeouts.connect"),
        ("timeouts.connect = nan", "timeouts.connect"),
        ("timeouts.connect = 1e9", "timeouts.connect"),
        ("timeouts.connect = 0x" + "f" * 5000, "timeouts.connect"),
        ("timeouts.connect = 1979-05-27", "timeouts.connect"),
        ("resume = 'maybe'", "resume"),
        ('headers = { X = "a\\r\\nHost: b" }', "headers.X"),
        ('headers = { "A B" = "c" }', "headers.'A B'"),
        ('headers = { Content-Length = "0" }', "headers.Content-Length"),
        ("params.when = 1979-05-27", "params.when"),
        ("params.top = inf", "params.top"),
        ("params." + ".".join(["a"] * 2000) + " = 1", "params.a"),
    ],
)
def test_a_wrong_value_is_reported_and_the_profile_stays(config, line, key):
    text = WORK.replace('model = "m"\n', "") + line + "\n"
    settings, warnings = read(config, text)
    assert f"profiles.work.{key}" in [warning.key for warning in warnings]
    assert "work" in settings.profiles


@pytest.mark.parametrize(
    "url",
    [
        "",
        "api.example",
        "ftp://api.example",
        "https://",
        "https://host:99999",
        "https://[::1",
        "https://host/v1?key=x",
        "https://host/v1#x",
        "https://host/ v1",
        "https://host\\n.example",
        "https://host\\\\@evil.example",
    ],
)
def test_a_profile_with_a_bad_base_url_is_left_out(config, url):
    settings, warnings = read(config, WORK.replace("https://api.example", url))
    assert settings.profiles == {}
    assert not settings.complete
    assert only(warnings).key == "profiles.work.base_url"
    assert only(warnings).line == 3


def test_a_password_in_a_base_url_is_refused_and_not_repeated(config):
    url = "https://me:hunter2@api.example"
    settings, warnings = read(config, WORK.replace("https://api.example", url))
    assert settings.profiles == {}
    assert "hunter2" not in str(only(warnings))
    assert "api_key_env" in only(warnings).expected


@pytest.mark.parametrize("key", ["sk-ant-api03-hunter2", "AIzaSyHunter2Hunter2Hunter2Hunter2"])
def test_a_key_where_its_variable_belongs_is_refused_and_not_repeated(config, key):
    settings, warnings = read(config, WORK + f'api_key_env = "{key}"\n')
    assert settings.profiles["work"].api_key_env == ""
    assert key not in str(only(warnings))


@pytest.mark.parametrize(
    "name",
    [
        *("openai-chat", "openai-responses", "anthropic", "gemini", "gemini-interactions"),
        *("ollama", "sse"),
    ],
)
def test_every_dialect_of_the_contract_is_accepted(config, name):
    settings, warnings = read(config, WORK.replace("anthropic", name))
    assert (settings.profiles["work"].dialect, warnings) == (name, [])


SIMPLE = """\
[profiles.mine]
dialect = "sse"
base_url = "http://127.0.0.1:8000/"
[profiles.mine.sse]
"""
MODEL = '[profiles.mine]\nmodel = "m"\n'


def test_a_simple_server_needs_no_more_than_its_url(config):
    settings, warnings = read(config, SIMPLE.replace("[profiles.mine.sse]\n", ""))
    profile = settings.profiles["mine"]
    assert (profile.options, profile.model, warnings) == ({}, "mine", [])


def test_every_key_of_a_simple_server_is_read(config):
    wanted = {
        "method": "GET",
        "path": "chat/stream?v=1",
        "prompt": "q",
        "model": "engine",
        "end": "<END>",
        "text": "delta.text, choices.0.text",
        "thinking": "why",
        "kind": "meta.kind",
        "mime": "meta.mime",
    }
    table = "".join(f'{key} = "{value}"\n' for key, value in wanted.items())
    settings, warnings = read(config, SIMPLE.replace("[profiles.mine]\n", MODEL) + table)
    assert (settings.profiles["mine"].options, warnings) == (wanted, [])
    both, warnings = read(config, SIMPLE + 'prompt = ""\nmessages = "history"\n')
    assert both.profiles["mine"].options == {"prompt": "", "messages": "history"}
    assert warnings == []


def test_what_is_as_usual_is_no_option(config):
    table = 'method = "POST"\npath = ""\nend = "auto"\ntext = ""\nkind = "type"\n'
    settings, warnings = read(config, SIMPLE + table)
    assert (settings.profiles["mine"].options, warnings) == ({}, [])


def test_a_simple_server_that_is_told_a_model_has_to_have_one(config):
    _, warnings = read(config, SIMPLE + 'model = "engine"\n')
    assert only(warnings).key == "profiles.mine.model"


@pytest.mark.parametrize(
    ("line", "key", "instead"),
    [
        ('method = "PUT"', "method", 'using "POST"'),
        ("method = 1", "method", 'using "POST"'),
        ('path = "a b"', "path", "it is ignored"),
        ('path = "a#b"', "path", "it is ignored"),
        ('prompt = ""', "prompt", 'using "prompt"'),
        ('prompt = "a\\nb"', "prompt", 'using "prompt"'),
        ("messages = true", "messages", "using nothing"),
        ('messages = "m"\nmethod = "GET"', "messages", "it is not sent"),
        ('end = ""', "end", 'using "auto"'),
        ('text = "a..b"', "text", "it is ignored"),
        ('text = ["a"]', "text", "using nothing"),
        ('thinking = ",a"', "thinking", "it is ignored"),
        ('kind = "a, b"', "kind", 'using "type"'),
        ('mime = ""', "mime", 'using "mime"'),
        ('promt = "q"', "promt", "it is ignored"),
    ],
)
def test_a_wrong_key_of_a_simple_server_is_reported_with_its_line(config, line, key, instead):
    settings, warnings = read(config, SIMPLE + line + "\n")
    warning = only(warnings)
    assert (warning.key, warning.line) == (f"profiles.mine.sse.{key}", 5)
    assert warning.instead == instead
    assert "mine" in settings.profiles


def test_other_dialects_have_no_such_table(config):
    _, warnings = read(config, WORK + 'sse = { end = "eof" }\n')
    assert only(warnings).key == "profiles.work.sse"


def test_an_unknown_dialect_leaves_the_profile_out(config):
    settings, warnings = read(config, WORK.replace("anthropic", "antropic"))
    assert settings.profiles == {}
    assert 'did you mean "anthropic"?' in only(warnings).expected


@pytest.mark.parametrize("name", ["demo", '""', '"\\u0007"'])
def test_a_name_that_cannot_be_used_leaves_the_profile_out(config, name):
    settings, warnings = read(config, WORK.replace("work", name))
    assert settings.profiles == {}
    assert warnings


def test_a_default_profile_that_does_not_exist_is_reported(config):
    settings, warnings = read(config, 'profile = "home"\n' + WORK)
    assert only(warnings).key == "profile"
    assert settings.profile == "home"


@pytest.mark.parametrize(
    ("text", "line", "column"), [('a = "x\n', 1, 7), ("\n\n= 3\n", 3, 1), ("a = 1\na = 2\n", 2, 6)]
)
def test_a_syntax_error_has_a_place_and_leaves_everything_default(config, text, line, column):
    settings, warnings = read(config, text)
    warning = only(warnings)
    assert (warning.line, warning.column) == (line, column)
    assert str(warning).startswith(f"{config}:{line}:{column}: expected valid TOML")
    assert settings == Settings(complete=False)


def test_a_byte_order_mark_is_skipped(config):
    config.write_bytes(b"\xef\xbb\xbf" + WORK.encode())
    settings, warnings = load(config)
    assert warnings == []
    assert "work" in settings.profiles


@pytest.mark.parametrize(
    "content",
    [
        b"\xff\xfea\x00",
        b"a = 1\n" * 100_000,
        b"a = " + b"[" * 5_000,
        b"[" * 5_000,
        b"\x00",
        ("a." * 5_000 + "a = 1").encode(),
        b"a = 1" + b"0" * 5_000,
        b"a = '" + b"x" * 10_000 + b"'",
    ],
    ids=["utf-16", "huge", "deep value", "deep header", "nul", "long key", "long int", "long line"],
)
def test_a_hostile_file_is_one_warning(config, content):
    config.write_bytes(content)
    settings, warnings = load(config)
    assert settings == Settings(complete=False)
    assert only(warnings).instead == "nothing in this file is used"


def test_a_directory_is_reported(tmp_path):
    settings, warnings = load(tmp_path)
    assert settings == Settings(complete=False)
    assert "regular file" in only(warnings).expected


def test_a_pipe_is_not_waited_for(tmp_path):
    os.mkfifo(tmp_path / "config.toml")
    assert "regular file" in only(load(tmp_path / "config.toml")[1]).expected


def test_the_null_device_is_an_empty_configuration():
    assert load(Path(os.devnull)) == (Settings(), [])


@pytest.mark.skipif(os.geteuid() == 0, reason="root reads everything")
def test_an_unreadable_file_is_reported(config):
    config.write_text(WORK)
    config.chmod(0)
    assert "readable file" in only(load(config)[1]).expected


def test_warnings_are_bounded(config):
    _, warnings = read(config, "".join(f"unknown{n} = 1\n" for n in range(5_000)))
    assert len(warnings) == 100


def load_bytes(content: bytes):
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "config.toml")
        path.write_bytes(content)
        return load(path)


@given(st.binary(max_size=300))
def test_no_bytes_raise(content):
    settings, _ = load_bytes(content)
    assert isinstance(settings, Settings)


LEAF = st.sampled_from(
    ['"x"', '"sse"', '""', "1", "-1", "true", "nan", "[]", "{}", "1979-05-27", '"a\\nb"']
)
PROFILE_KEYS = [
    *("dialect", "base_url", "model", "headers", "headers.a", "params.b", "timeouts.idle"),
    *("ca_file", "api_key_env", "http2", "resume", "surprise"),
]
KEYS = st.sampled_from(
    [
        *("profile", "background_relay", "profiles", "profiles.w"),
        *("keys", "keys.a", "ui", "ui.fps", "ui.language", "surprise"),
        *(f"profiles.w.{key}" for key in PROFILE_KEYS),
    ]
)


@given(st.dictionaries(KEYS, LEAF, max_size=8))
def test_no_mixture_of_values_raises_and_every_warning_has_a_line(entries):
    settings, warnings = load_bytes("\n".join(f"{k} = {v}" for k, v in entries.items()).encode())
    assert isinstance(settings, Settings)
    for warning in warnings:
        missing = warning.key.endswith((".dialect", ".base_url", ".model"))
        assert warning.line or missing


@given(st.dictionaries(st.sampled_from(["end", "text", "method", "path", "mime", "x"]), LEAF))
def test_no_mixture_in_the_table_of_a_simple_server_raises(entries):
    table = "".join(f"{key} = {value}\n" for key, value in entries.items())
    settings, warnings = load_bytes((SIMPLE + table).encode())
    assert all(isinstance(value, str) for value in settings.profiles["mine"].options.values())
    assert all(warning.line and warning.line > 4 for warning in warnings)

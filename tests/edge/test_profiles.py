from __future__ import annotations

from urllib.parse import urlsplit

import pytest

from ssechat.core.dialects import DIALECTS
from ssechat.core.errors import ConfigProblem
from ssechat.profiles import PROVIDERS, choose, demo_profile, known_profiles
from ssechat.settings import Profile, Settings, base_url_fault

KEYS = {"OPENAI_API_KEY": "o", "ANTHROPIC_API_KEY": "a"}


def profile(name: str, model: str = "m") -> Profile:
    return Profile(name, "openai-chat", "https://api.example/v1", model)


def settings(*names: str, default: str = "", complete: bool = True) -> Settings:
    return Settings(
        profile=default, profiles={name: profile(name) for name in names}, complete=complete
    )


def chosen(choice) -> str:
    return choice.profile.name if choice.profile else "demo"


def test_demo_goes_before_everything():
    assert (
        chosen(choose(settings("work", default="work"), KEYS, demo=True, profile="work")) == "demo"
    )


def test_the_option_goes_before_the_default():
    choice = choose(settings("work", "home", default="work"), KEYS, profile="home")
    assert chosen(choice) == "home"
    assert choice.why == "profile home was asked for"


def test_the_default_goes_before_keys():
    choice = choose(settings("work", "home", default="work"), KEYS)
    assert chosen(choice) == "work"
    assert choice.why == "profile work from config.toml"


def test_a_single_profile_needs_no_default():
    assert chosen(choose(settings("work"), KEYS, ask=True)) == "work"


def test_without_configuration_the_first_key_decides():
    choice = choose(Settings(), KEYS, ask=True)
    assert chosen(choice) == "anthropic"
    assert choice.why == "ANTHROPIC_API_KEY is set"


def test_other_keys_are_offered():
    assert [other.name for other in choose(Settings(), KEYS).others] == ["openai"]
    assert [other.name for other in choose(settings("work"), KEYS).others] == [
        "anthropic",
        "openai",
    ]


@pytest.mark.parametrize("env", [{}, {"OPENAI_API_KEY": ""}, {"OPENAI_API_KEY": "  "}])
def test_with_nothing_at_all_the_app_shows_the_demo(env):
    choice = choose(Settings(), env)
    assert choice.profile is None
    assert choice.why == "no configuration and no key was found"


def test_with_nothing_at_all_ask_says_what_it_needs():
    with pytest.raises(ConfigProblem) as caught:
        choose(Settings(), {}, ask=True)
    assert caught.value.exit_code == 2
    for word in ("profile", "ANTHROPIC_API_KEY", "XAI_API_KEY", "--demo"):
        assert word in caught.value.remedy


def test_ask_takes_the_demo_if_it_is_asked_for():
    assert choose(Settings(), {}, demo=True, ask=True).profile is None


def test_with_several_profiles_and_no_default_ask_guesses_none():
    with pytest.raises(ConfigProblem, match="none of them is the default") as caught:
        choose(settings("work", "home"), {}, ask=True)
    assert "work, home" in caught.value.remedy


def test_ask_guesses_nothing_after_a_fault_in_the_configuration():
    with pytest.raises(ConfigProblem, match="has a fault"):
        choose(Settings(complete=False), KEYS, ask=True)
    with pytest.raises(ConfigProblem, match="'wrk' cannot be used"):
        choose(settings("work", default="wrk"), KEYS, ask=True)


def test_a_fault_elsewhere_does_not_keep_ask_from_the_default():
    assert chosen(choose(settings("work", default="work", complete=False), {}, ask=True)) == "work"


def test_an_unknown_profile_is_answered_with_the_known_ones():
    with pytest.raises(ConfigProblem) as caught:
        choose(settings("work"), KEYS, profile="wrk")
    assert caught.value.exit_code == 2
    for word in ("work", "anthropic", "openai", "demo", 'did you mean "work"?'):
        assert word in caught.value.remedy


def test_a_provider_without_its_key_is_answered_with_the_variable():
    with pytest.raises(ConfigProblem) as caught:
        choose(Settings(), {}, profile="groq")
    assert "GROQ_API_KEY" in caught.value.remedy


def test_a_provider_can_be_asked_for_by_name():
    assert chosen(choose(Settings(), KEYS, profile="openai")) == "openai"


def test_a_configured_profile_hides_the_provider_of_the_same_name():
    assert known_profiles(settings("openai"), KEYS)["openai"].base_url == "https://api.example/v1"


def test_the_model_option_replaces_the_model():
    choice = choose(settings("work"), {}, model="other")
    assert choice.profile is not None
    assert choice.profile.model == "other"


def test_ask_needs_a_model_and_the_app_does_not():
    without = Settings(profiles={"work": profile("work", model="")})
    assert chosen(choose(without, {})) == "work"
    with pytest.raises(ConfigProblem, match="has no model"):
        choose(without, {}, ask=True)
    assert chosen(choose(without, {}, ask=True, model="m")) == "work"


@pytest.mark.parametrize("provider", PROVIDERS, ids=lambda provider: provider.name)
def test_a_provider_is_a_usable_profile_at_its_own_host(provider):
    assert provider.dialect in DIALECTS
    assert base_url_fault(provider.base_url) == ""
    assert urlsplit(provider.base_url).scheme == "https"
    own = {"gemini": "googleapis", "xai": "x.ai"}.get(provider.name, provider.name)
    assert own in urlsplit(provider.base_url).netloc
    assert provider.api_key_env == f"{provider.name.upper()}_API_KEY"
    assert provider.model


def test_the_demo_profile_may_be_posted_to_again():
    demo = demo_profile("http://127.0.0.1:9000")
    assert demo.relay
    assert demo.base_url == "http://127.0.0.1:9000/v1"
    assert (demo.name, demo.model, demo.dialect) == ("demo", "demo", "openai-chat")

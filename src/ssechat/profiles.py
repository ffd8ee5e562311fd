"""Which profile answers: asked for, configured, found by its key, or the built-in demo."""

from __future__ import annotations

from collections.abc import Mapping

import msgspec

from ssechat.core.errors import ConfigProblem
from ssechat.settings import DEMO, Profile, Settings
from ssechat.toml_tables import hint

Environment = Mapping[str, str]


_DIALECTS = {"anthropic": "anthropic", "openai": "openai-responses"}
"""Where a provider's own API is used. (Google's stores what is said for weeks, and whoever wants
to resume there says so in config.toml.)"""


def _provider(name: str, variable: str, base_url: str, model: str) -> Profile:
    dialect = _DIALECTS.get(name, "openai-chat")
    return Profile(name, dialect, base_url, model, api_key_env=variable)


PROVIDERS = (
    _provider("anthropic", "ANTHROPIC_API_KEY", "https://api.anthropic.com", "claude-sonnet-5-5"),
    _provider("openai", "OPENAI_API_KEY", "https://api.openai.com/v1", "gpt-6.1-sol"),
    _provider(
        "gemini",
        "GEMINI_API_KEY",
        "https://generativelanguage.googleapis.com/v1beta/openai",
        "gemini-3.8-flash",
    ),
    _provider(
        "openrouter", "OPENROUTER_API_KEY", "https://openrouter.ai/api/v1", "openrouter/auto"
    ),
    _provider("deepseek", "DEEPSEEK_API_KEY", "https://api.deepseek.com", "deepseek-flash"),
    _provider("mistral", "MISTRAL_API_KEY", "https://api.mistral.ai/v1", "mistral-medium-latest"),
    _provider("groq", "GROQ_API_KEY", "https://api.groq.com/openai/v1", "openai/gpt-oss-120b"),
    _provider("xai", "XAI_API_KEY", "https://api.x.ai/v1", "grok-4.7"),
)
"""What a key in the environment opens, in order of preference. It is sent to this host only."""


class Choice(msgspec.Struct, frozen=True):
    """Who answers. `profile` is None for the demo: start its server and use `demo_profile`.

    `why` is a clause for the user; `others` could answer too, by keys in the environment.
    """

    profile: Profile | None
    why: str
    others: tuple[Profile, ...] = ()


def choose(
    settings: Settings,
    env: Environment,
    *,
    profile: str | None = None,
    model: str | None = None,
    demo: bool = False,
    ask: bool = False,
) -> Choice:
    """The profile to use. `profile`, `model` and `demo` are the options of these names.

    With `ask` a prompt may leave at once, so nothing is guessed: raises ConfigProblem where the
    app would show the demo or wait for a model. Raises it also for an unknown `profile`.
    """
    chosen, why = _choose(settings, env, profile, demo, ask)
    if chosen is not None and model:
        chosen = msgspec.structs.replace(chosen, model=model)
    if chosen is not None and ask and not chosen.model:
        raise ConfigProblem(
            f"profile {chosen.name} has no model",
            remedy=f"add model to [profiles.{chosen.name}], or pass --model",
        )
    used = chosen.api_key_env if chosen else ""
    return Choice(chosen, why, tuple(p for p in found_keys(env) if p.api_key_env != used))


def demo_profile(base_url: str, dialect: str = "openai-chat", model: str = DEMO) -> Profile:
    """The profile of a demo server that listens at `base_url`, an origin."""
    return Profile(DEMO, dialect, f"{base_url.rstrip('/')}/v1", model, relay=True)


def found_keys(env: Environment) -> list[Profile]:
    """The providers whose key is in the environment."""
    return [provider for provider in PROVIDERS if env.get(provider.api_key_env, "").strip()]


def known_profiles(settings: Settings, env: Environment) -> dict[str, Profile]:
    """All that `--profile` accepts, but for the demo; what is configured goes before built-ins."""
    return {provider.name: provider for provider in found_keys(env)} | settings.profiles


def _choose(
    settings: Settings, env: Environment, profile: str | None, demo: bool, ask: bool
) -> tuple[Profile | None, str]:
    if demo or profile == DEMO:
        return None, "the built-in demo was asked for"
    if profile:
        return _named(profile, known_profiles(settings, env)), f"profile {profile} was asked for"
    if default := settings.profiles.get(settings.profile):
        return default, f"profile {default.name} from config.toml"
    if ask:
        _refuse_to_guess(settings)
    if len(settings.profiles) == 1:
        (only,) = settings.profiles.values()
        return only, f"profile {only.name} is the only one in config.toml"
    if found := found_keys(env):
        return found[0], f"{found[0].api_key_env} is set"
    if ask:
        raise _nothing_to_ask(settings)
    if not settings.complete:
        return None, "config.toml has a fault, and no key was found"
    configuration = "no default profile" if settings.profiles else "no configuration"
    return None, f"{configuration} and no key was found"


def _named(name: str, known: dict[str, Profile]) -> Profile:
    if name in known:
        return known[name]
    missing = {provider.name: provider.api_key_env for provider in PROVIDERS}
    if name in missing:
        remedy = f"set {missing[name]}, or add [profiles.{name}] to config.toml"
    else:
        remedy = f"use one of: {', '.join([*known, DEMO])}{hint(name, list(known))}"
    raise ConfigProblem(f"there is no profile {name!r}", remedy=remedy)


def _refuse_to_guess(settings: Settings) -> None:
    """Raise if config.toml meant something that we did not understand."""
    if settings.profile:
        raise ConfigProblem(
            f"the default profile {settings.profile!r} cannot be used",
            detail=f"profiles that can: {', '.join(settings.profiles) or 'none'}",
            remedy="mend config.toml, or pass --profile or --demo",
        )
    if not settings.complete:
        raise ConfigProblem(
            "config.toml has a fault, so it is not clear who should answer",
            remedy="mend it (the lines above say where), or pass --profile or --demo",
        )


def _nothing_to_ask(settings: Settings) -> ConfigProblem:
    variables = ", ".join(provider.api_key_env for provider in PROVIDERS)
    if settings.profiles:
        title = "several profiles, and none of them is the default"
        first = (
            f'set profile = "NAME" in config.toml, pass --profile ({", ".join(settings.profiles)})'
        )
    else:
        title = "no profile and no key"
        first = "add a profile to config.toml"
    return ConfigProblem(title, remedy=f"{first}, set a key ({variables}), or try it with --demo")

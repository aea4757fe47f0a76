"""Settings that are known to lose money: real money is traded with them only if somebody insists."""

from __future__ import annotations

from quietmaker.settings import Settings


def unsafe(settings: Settings) -> tuple[str, ...]:
    """Return what is dangerous in a configuration, in words; nothing where all is well."""
    return tuple(
        f"{scope}: gates.include_fees is false: a spread that does not pay the fees is quoted"
        for scope, chosen in settings.scopes()
        if not chosen.gates.include_fees
    )

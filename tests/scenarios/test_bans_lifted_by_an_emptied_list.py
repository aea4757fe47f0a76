"""Twenty-six bans were removed at once, to "let the filter manage them", and all of them traded at once.

Nobody was shown what would change. A ban that ends is shown before (`symbols simulate`), and is no pardon:
the symbol trades at a reduced size first, and one whose trades still fail stays out.

Incident F4.
"""

from __future__ import annotations

from quietmaker.core.filter_states import BAN_ENDED, FilterState
from quietmaker.core.units import PPB
from tests.actors.test_symbol_filter import Rig


def test_an_emptied_list_lets_nobody_in_at_full_size() -> None:
    rig = Rig(
        banned={"A-USD": "permanent_exclusions: A-USD", "B-USD": "permanent_exclusions: B-USD"}
    )
    rig.trade("A-USD", *["-1"] * 8)
    rig.begin()
    assert (rig.state("A-USD"), rig.state("B-USD")) == (FilterState.DENIED, FilterState.DENIED)
    rig.banned.clear()
    rig.start()
    rig.begin()
    assert rig.state("A-USD") is FilterState.EXCLUDED
    assert rig.state("B-USD") is FilterState.PROBATION
    assert rig.told("B-USD").size_share < PPB
    assert [each.rule for each in rig.books.stored[-2:]] == ["win_rate", BAN_ENDED]

"""A market that tells nothing by itself: somebody moves it by hand, such as a test over ``/admin/market``."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from quietmaker.core.market import MarketEvent
from quietmaker.core.product import Product
from quietmaker.errors import SourceError
from quietmaker.ports import SourceInfo


class ManualMarket:
    """Has products, and no events. Implements `MarketSource`."""

    def __init__(self, products: Mapping[str, Product]) -> None:
        """Have these products.

        Raises:
            SourceError: if there is none: nothing could ever happen.
        """
        if not products:
            raise SourceError(
                "a manual market needs products; configure them, or give the exchange a --catalogue"
            )
        self._products = dict(products)

    def info(self) -> SourceInfo:
        """Describe the market."""
        return SourceInfo(name="manual", kind="manual", products=self._products, inferred={})

    def events(self) -> Iterator[MarketEvent]:
        """Yield nothing."""
        return iter(())

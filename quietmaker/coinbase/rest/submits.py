"""Sending one order: at most a few identical requests, and one of four outcomes.

The table in `failures` says what each answer proves. Nothing here ever makes a second order: every attempt
carries the client id of the intent, and the exchange takes one order per client id.
"""

from __future__ import annotations

from collections import OrderedDict
from typing import Final

from quietmaker.coinbase.rest.failures import (
    NOT_SENT,
    RATE_LIMITED,
    UNAUTHORIZED,
    Meaning,
    meaning,
    refusal_of,
)
from quietmaker.coinbase.rest.http import Answer, LostError
from quietmaker.coinbase.rest.identity import OrderIds
from quietmaker.coinbase.rest.limits import LimitedError
from quietmaker.coinbase.rest.orders import UnsendableError, is_duplicate, order_body, read_submit
from quietmaker.coinbase.rest.origin import NotSentError
from quietmaker.coinbase.rest.rest import FRESH_TOKENS, Rest
from quietmaker.core.orders import Intent
from quietmaker.core.product import Product
from quietmaker.core.units import SECOND, Nanos
from quietmaker.errors import ExchangeRefused
from quietmaker.ports import Accepted, Clock, Mismatched, Rejected, SubmitOutcome, Unknown

PATIENCE: Final = Nanos(SECOND)
"""How long a limit may delay an order: it was decided on a market that moves on."""
_REMEMBERED: Final = 4_096


class Submitter:
    """Sends orders. Thread-safe."""

    def __init__(self, rest: Rest, ids: OrderIds, clock: Clock) -> None:
        """Send through a client, and teach the memory of ids."""
        self._rest = rest
        self._ids = ids
        self._clock = clock
        self._unsure: OrderedDict[str, None] = OrderedDict()

    def submit(
        self, intent: Intent, product: Product | None, symbols: frozenset[str]
    ) -> SubmitOutcome:
        """Send an order; `symbols` are the names that the exchange may call its product by."""
        if product is None:
            return Rejected(reason=f"{NOT_SENT}: product {intent.symbol} is not known")
        try:
            body = order_body(intent, product)
        except UnsendableError as error:
            return Rejected(reason=f"{NOT_SENT}: {error}")
        outcome = _Attempts(self._rest, self._clock).run(intent, product, symbols, body)
        match outcome:
            case Accepted(order_id=order_id):
                self._ids.sent(intent)
                self._ids.learn(intent.client_id, order_id, intent.post_only)
            case Unknown():
                self._ids.sent(intent)
                self._doubt(intent.client_id)
            case Mismatched():
                self._ids.sent(intent)  # so that a query does not take that order for this one
            case Rejected(reason=reason) if is_duplicate(reason):
                # It proves that an order exists. Told at once as a refusal it would read as "there is
                # none"; one who asks again knows what the word proves.
                if intent.client_id not in self._unsure:
                    self._ids.sent(intent)
                    self._doubt(intent.client_id)
                    return Unknown(detail=reason)
            case Rejected():
                pass
        return outcome

    def _doubt(self, client_id: str) -> None:
        self._unsure[client_id] = None
        if len(self._unsure) > _REMEMBERED:
            self._unsure.popitem(last=False)


class _Attempts:
    """The attempts at one order."""

    def __init__(self, rest: Rest, clock: Clock) -> None:
        self._rest = rest
        self._clock = clock
        self._until = clock.monotonic() + PATIENCE
        self._fresh = FRESH_TOKENS
        self._doubt = ""

    def run(
        self, intent: Intent, product: Product, symbols: frozenset[str], body: bytes
    ) -> SubmitOutcome:
        """Send until something is decided."""
        while True:
            answer = self._once(body)
            if answer is None:
                continue
            if not isinstance(answer, Answer):
                return self._concluded(answer)
            said = meaning(answer.status)
            late = self._clock.monotonic() > self._until
            if said is Meaning.UNSIGNED and self._fresh and not late:
                self._fresh -= 1
                self._rest.refused_token()
            elif said is Meaning.LIMITED:
                pause = self._rest.refused_rate(answer)
                if self._clock.monotonic() + pause > self._until:
                    return self._concluded(Rejected(reason=RATE_LIMITED))
            elif said is Meaning.UNSIGNED:
                why = refusal_of(answer.status, answer.body)
                return self._concluded(Rejected(reason=f"{UNAUTHORIZED}: {why}"))
            else:
                return self._concluded(read_submit(answer, intent, product, symbols))

    def _once(self, body: bytes) -> Answer | Rejected | Unknown | None:
        """Return an answer, an outcome without one, or None to try again."""
        patience = Nanos(max(0, self._until - self._clock.monotonic()))
        try:
            return self._rest.submit(body, patience=patience)
        except LimitedError as error:
            return Rejected(reason=f"{RATE_LIMITED}: {error}")
        except NotSentError as error:
            return Rejected(reason=f"{NOT_SENT}: {error}")
        except ExchangeRefused as error:
            return Rejected(reason=f"{UNAUTHORIZED}: {error}")
        except LostError as error:
            if error.stale and not self._doubt:
                self._doubt = str(error)
                return None
            return Unknown(detail=str(error))

    def _concluded(self, outcome: SubmitOutcome) -> SubmitOutcome:
        """Believe a refusal only if no earlier attempt may have been taken."""
        if self._doubt and isinstance(outcome, Rejected):
            return Unknown(detail=f"{self._doubt}; sent again, it was refused: {outcome.reason}")
        return outcome

"""Requests to the exchange: signed, within the limits, asked again where that is harmless, and counted.

Orders have connections and tokens of their own, both ready ahead of need (`keep_ready`): between the decision
and its first byte there is no signing, no handshake and no query in front.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from enum import Enum
from functools import partial
from pathlib import Path
from typing import Any, Final, Protocol

from quietmaker.coinbase.auth import Signer, TokenStock
from quietmaker.coinbase.rest.failures import Meaning, load, meaning, refusal_of
from quietmaker.coinbase.rest.http import Answer, LostError, Session
from quietmaker.coinbase.rest.limits import LimitedError, Limits, Pool, RateLimits
from quietmaker.coinbase.rest.origin import NotSentError, Origin, Timeouts, tls_context
from quietmaker.coinbase.times import read_time
from quietmaker.core.units import SECOND, Instant, Nanos
from quietmaker.errors import ExchangeRefused, ExchangeUnavailable, WireError
from quietmaker.ports import Clock

SUBMIT: Final = "/orders"
CANCEL: Final = "/orders/batch_cancel"
IDLE: Final = Nanos(45 * SECOND)
"""Connections unused for longer are not trusted; load balancers keep them for a minute or more."""
TOKEN_AGE: Final = Nanos(60 * SECOND)
READY_LINES: Final = 2
READY_TOKENS: Final = 8
ATTEMPTS: Final = 3
FRESH_TOKENS: Final = 2
"""How often a request that was refused for its token is signed anew."""
MISTRUST: Final = SECOND
"""A difference of clocks that can be why a token was refused."""
FIRST_PAUSE: Final = 0.2
"""Seconds between the first and the second attempt; doubled from then on, and spread."""


class Endpoint(Enum):
    """What is asked; the values are labels of metrics."""

    SUBMIT = "orders"
    CANCEL = "orders_batch_cancel"
    ORDER = "order"
    ORDERS = "orders_historical"
    FILLS = "fills"
    ACCOUNTS = "accounts"
    PRODUCTS = "products"
    CANDLES = "candles"
    FEES = "transaction_summary"
    PERMISSIONS = "key_permissions"
    TIME = "time"


class RestWatch(Protocol):
    """Counts what happens on the wire. Thread-safe and quick: it is told on the order path."""

    def request(self, endpoint: str, code: str, seconds: float) -> None:
        """Count a request: its HTTP status, or a word where there was no answer."""

    def tokens(self, bucket: str, left: float) -> None:
        """Take note of what a limit still allows at once."""

    def issue(self, kind: str) -> None:
        """Count something odd that was survived."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Surroundings:
    """What a client of the exchange needs from outside.

    Attributes:
        clock: for tokens, limits and time-outs.
        watch: counts.
        pause: sleeps for some seconds.
        jitter: returns a random number from 0 to 1.
    """

    clock: Clock
    watch: RestWatch
    pause: Callable[[float], None]
    jitter: Callable[[], float]


class Rest:
    """The exchange's REST interface, one method per kind of request. Thread-safe."""

    def __init__(
        self,
        *,
        url: str,
        ca_file: Path | None,
        signer: Signer | None,
        timeouts: Timeouts,
        limits: RateLimits,
        around: Surroundings,
    ) -> None:
        """Prepare; nothing is sent yet.

        Args:
            url: where the exchange is, without a path.
            ca_file: certificates to trust instead of the system's.
            signer: signs; without one only public endpoints can be asked.
            timeouts: how long to wait.
            limits: how much to send.
            around: the rest.

        Raises:
            ConfigError: if the address or the certificates are unusable.
        """
        self._origin = Origin.parse(url)
        self._signer = signer
        self._around = around
        self._timeouts = timeouts
        context = tls_context(self._origin, ca_file)
        session = partial(
            Session, self._origin, context=context, timeouts=timeouts, idle=IDLE, clock=around.clock
        )
        self._sessions = {"POST": session(), "GET": session()}
        self._limits = Limits(
            limits,
            clock=around.clock,
            pause=around.pause,
            jitter=around.jitter,
            changed=around.watch.tokens,
        )
        self._stocks = {
            path: TokenStock(
                partial(self._mint, "POST", path),
                clock=around.clock,
                size=READY_TOKENS,
                longest=TOKEN_AGE,
            )
            for path in (SUBMIT, CANCEL)
        }
        self._corrected = False
        self.ahead = Nanos(0)
        """The exchange's clock less ours, when they were last compared."""

    @property
    def signs(self) -> bool:
        """Return whether there is a key."""
        return self._signer is not None

    def keep_ready(self) -> None:
        """Have connections and tokens for orders ready; called regularly and off the order path."""
        if self._signer is None:
            return
        for stock in self._stocks.values():
            stock.refill()
        try:
            self._sessions["POST"].keep_ready(READY_LINES)
        except NotSentError as error:
            self._around.watch.issue(f"not_ready_{error.code}")

    def close(self) -> None:
        """Close the connections."""
        for session in self._sessions.values():
            session.close()

    # --- asking ---

    def get(self, endpoint: Endpoint, target: str, *, signed: bool) -> Mapping[str, Any]:
        """Ask a question, again where that may help; return the JSON object that answers it.

        Raises:
            ExchangeUnavailable: if there was no answer, or none that decides anything.
            ExchangeRefused: if the exchange will not answer, or there is no key to sign with.
            WireError: if the answer is no JSON object.
        """
        return load(self.get_bytes(endpoint, target, signed=signed), endpoint.value)

    def get_bytes(self, endpoint: Endpoint, target: str, *, signed: bool) -> bytes:
        """Ask a question; return the body of the answer.

        Raises:
            ExchangeUnavailable: as `get`.
            ExchangeRefused: as `get`.
        """
        pool = Pool.PRIVATE if signed else Pool.PUBLIC
        path = target.partition("?")[0]

        def attempt() -> Answer:
            self._limits.acquire(pool, urgent=False, patience=self._timeouts.read)
            token = self._mint("GET", path) if signed else None
            return self.send(endpoint, "GET", target, token=token, body=None)

        return self._insist(endpoint, pool, attempt, ATTEMPTS)

    def time(self) -> Instant:
        """Return the exchange's clock, and note how far it is from ours. Asked once.

        Raises:
            WireError: if there is no answer that can be read.
        """
        clock = self._around.clock

        def attempt() -> Answer:
            self._limits.acquire(Pool.PUBLIC, urgent=False, patience=self._timeouts.read)
            return self.send(Endpoint.TIME, "GET", "/time", token=None, body=None)

        before = clock.now()
        body = load(self._insist(Endpoint.TIME, Pool.PUBLIC, attempt, 1), Endpoint.TIME.value)
        there, after = read_time(body), clock.now()
        self.ahead = Nanos(there - (before + after) // 2)
        return there

    def cancel(self, body: bytes) -> Mapping[str, Any]:
        """Ask for cancellations, again where that may help: asking twice does no harm.

        Raises:
            ExchangeUnavailable: if nobody knows what came of it.
            ExchangeRefused: if the exchange refused the request as a whole.
            WireError: if the answer is no JSON object.
        """

        def attempt() -> Answer:
            self._limits.acquire(Pool.PRIVATE, urgent=True, patience=self._timeouts.read)
            return self._urgent(Endpoint.CANCEL, CANCEL, body)

        answer = self._insist(Endpoint.CANCEL, Pool.PRIVATE, attempt, ATTEMPTS)
        return load(answer, Endpoint.CANCEL.value)

    def submit(self, body: bytes, *, patience: Nanos) -> Answer:
        """Send an order once.

        Raises:
            LimitedError: if the limits do not allow it in time; it was not sent.
            NotSentError: if it did not leave.
            LostError: if nobody knows what became of it.
            ExchangeRefused: if there is no key to sign with.
        """
        self._limits.acquire(Pool.PRIVATE, urgent=True, patience=patience)
        return self._urgent(Endpoint.SUBMIT, SUBMIT, body)

    def refused_token(self) -> None:
        """Take note that a token was refused: those minted with it are no better."""
        self._around.watch.issue("unauthorized")
        self._set_clock_of_tokens()
        for stock in self._stocks.values():
            stock.clear()

    def _set_clock_of_tokens(self) -> None:
        """Sign at the exchange's clock, or at ours again if that was no better.

        Only a refusal makes us believe that our clock is wrong: the other may be, and be right about
        tokens all the same.
        """
        if self._signer is None:
            return
        wrong = Nanos(0)
        if not self._corrected:
            with suppress(WireError):  # not to be had: then it is tried as it is
                self.time()
                wrong = self.ahead if abs(self.ahead) > MISTRUST else wrong
        self._signer.correct(wrong)
        self._corrected = wrong != 0

    def refused_rate(self, answer: Answer, pool: Pool = Pool.PRIVATE) -> Nanos:
        """Take note that it was too much; return for how long nothing is sent."""
        self._around.watch.issue("rate_limited")
        return self._limits.refused(pool, answer.headers)

    # --- sending ---

    def _urgent(self, endpoint: Endpoint, path: str, body: bytes) -> Answer:
        stock = self._stocks[path]
        token = stock.take()
        try:
            return self.send(endpoint, "POST", path, token=token, body=body)
        finally:
            stock.refill()

    def send(
        self, endpoint: Endpoint, method: str, target: str, *, token: str | None, body: bytes | None
    ) -> Answer:
        """Send one request, count it, and return the answer whatever its status.

        Raises:
            NotSentError: if it did not leave.
            LostError: if nobody knows what became of it.
        """
        clock, watch = self._around.clock, self._around.watch
        began = clock.monotonic()
        code = "failed"
        try:
            session = self._sessions[method]
            answer = session.request(method, target, token=token, body=body)
            code = str(answer.status)
        except (NotSentError, LostError) as error:
            code = error.code
            raise
        finally:
            watch.request(endpoint.value, code, (clock.monotonic() - began) / SECOND)
        if answer.status != 429:
            self._limits.answered(Pool.PUBLIC if token is None else Pool.PRIVATE, answer.headers)
        return answer

    def _mint(self, method: str, path: str) -> str:
        if self._signer is None:
            raise ExchangeRefused(f"{path} needs an API key, and there is none", status=401)
        return self._signer.rest(method, self._origin.authority, self._origin.prefix + path)

    def _insist(
        self, endpoint: Endpoint, pool: Pool, attempt: Callable[[], Answer], attempts: int
    ) -> bytes:
        """Try until something is decided; no further try begins after the time that an answer may take."""
        clock, until = self._around.clock, self._around.clock.monotonic() + self._timeouts.read
        fresh, tried = FRESH_TOKENS, 0
        while True:
            answer, trouble = self._once(endpoint, attempt)
            said = Meaning.TROUBLED if answer is None else meaning(answer.status)
            if answer is not None:
                if said is Meaning.ANSWERED:
                    return answer.body
                unsigned = said is Meaning.UNSIGNED
                if said is Meaning.REFUSED or (unsigned and (not fresh or pool is Pool.PUBLIC)):
                    raise _refused(endpoint, answer)
                if unsigned:
                    fresh -= 1
                    self.refused_token()
                    continue
                if said is Meaning.LIMITED:
                    self.refused_rate(answer, pool)  # the next attempt waits for it
            tried += 1
            pause = FIRST_PAUSE * 2 ** (tried - 1) * (0.5 + self._around.jitter())
            late = clock.monotonic() + pause * SECOND > until
            if said is Meaning.STRANGE or tried >= attempts or late:
                raise ExchangeUnavailable(f"{endpoint.value}: {trouble}")
            self._around.pause(pause)

    def _once(self, endpoint: Endpoint, attempt: Callable[[], Answer]) -> tuple[Answer | None, str]:
        """Return the answer if there was one, and what was wrong in case something was."""
        try:
            answer = attempt()
        except LimitedError as error:
            raise ExchangeUnavailable(f"{endpoint.value}: {error}") from error
        except (NotSentError, LostError) as error:
            return None, str(error)
        if meaning(answer.status) is Meaning.ANSWERED:
            return answer, ""
        return answer, refusal_of(answer.status, answer.body)


def _refused(endpoint: Endpoint, answer: Answer) -> WireError:
    return ExchangeRefused(
        f"{endpoint.value}: refused with {answer.status} ({refusal_of(answer.status, answer.body)}); "
        f"{_REMEDIES.get(answer.status, 'the request itself is at fault')}",
        status=answer.status,
    )


_REMEDIES: Final[Mapping[int, str]] = {
    401: "is the key still valid, and the clock of this machine right?",
    403: "the key lacks a permission that this needs",
    404: "nothing of that name exists",
}

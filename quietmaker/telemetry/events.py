"""The fixed words of the log: what `event` can be, and the phrases that operators grep for."""

from __future__ import annotations

from collections.abc import Mapping
from enum import Enum
from types import MappingProxyType
from typing import Final

from quietmaker.core.orders import ExitReason


class Event(Enum):
    """What a log line is about. The word never changes; numbers are fields, not part of it."""

    PROCESS_STARTED = "process_started"
    PROCESS_READY = "process_ready"
    PROCESS_STOPPING = "process_stopping"
    PROCESS_STOPPED = "process_stopped"
    PLAN = "plan"
    CONFIG_LOADED = "config_loaded"
    CONFIG_NOTICE = "config_notice"
    CONFIG_RELOADED = "config_reloaded"
    CONFIG_REJECTED = "config_rejected"
    ACTOR_FAILED = "actor_failed"
    ACTOR_RESTARTED = "actor_restarted"
    BRANCH_GAVE_UP = "branch_gave_up"
    DEAD_LETTER = "dead_letter"
    MARKET_DATA_LOST = "market_data_lost"
    MARKET_DATA_RESUMED = "market_data_resumed"
    STREAM_LOST = "stream_lost"
    STREAM_READY = "stream_ready"
    WIRE_ISSUE = "wire_issue"
    USER_STREAM_LOST = "user_stream_lost"
    USER_STREAM_READY = "user_stream_ready"
    ORDER_SUBMITTED = "order_submitted"
    ORDER_MOVED = "order_moved"
    ORDER_REJECTED = "order_rejected"
    ORDER_UNKNOWN = "order_unknown"
    ORDER_REPLAYED = "order_replayed"
    ORDER_FILLED = "order_filled"
    FEES_CHANGED = "fees_changed"
    CANCEL_REQUESTED = "cancel_requested"
    HOLD_CHANGED = "hold_changed"
    MODE_CHANGED = "mode_changed"
    BREAKER_MOVED = "breaker_moved"
    OPERATOR_ACTED = "operator_acted"
    EXIT_DECIDED = "exit_decided"
    ROUND_TRIP_CLOSED = "round_trip_closed"
    FILTER_EVALUATED = "filter_evaluated"
    FILTER_FAILED = "filter_failed"
    SYMBOL_ADDED = "symbol_added"
    SYMBOL_REMOVED = "symbol_removed"
    SYMBOL_EXCLUDED = "symbol_excluded"
    SYMBOL_INCLUDED = "symbol_included"
    SYMBOL_MOVED = "symbol_moved"
    SHADOW = "shadow"
    ALERT = "alert"
    RECOVERED = "recovered"
    DIFFERENCE_FOUND = "difference_found"
    DIFFERENCE_RESOLVED = "difference_resolved"
    TIED_OUT = "tied_out"
    CASH_MOVED = "cash_moved"
    LEDGER_UNAVAILABLE = "ledger_unavailable"
    LEDGER_RECOVERED = "ledger_recovered"
    MANAGEMENT_LISTENING = "management_listening"
    EXCHANGE_LISTENING = "exchange_listening"
    EXCHANGE_NOTICE = "exchange_notice"
    LIBRARY = "library"


ABOUT: Final[Mapping[Event, str]] = MappingProxyType(
    {
        Event.PROCESS_STARTED: "the process began, with version, mode and home",
        Event.PROCESS_READY: "every readiness check passed for the first time",
        Event.PROCESS_STOPPING: "a stop was asked for, by whom",
        Event.PROCESS_STOPPED: "everything is cancelled and stored",
        Event.PLAN: "one line of the effective plan, such as the spread formula",
        Event.CONFIG_LOADED: "a configuration is in force, with its hash",
        Event.CONFIG_NOTICE: "something the operator should know of the configuration, such as an old name",
        Event.CONFIG_RELOADED: "a configuration was read again while running, with what is new of it",
        Event.CONFIG_REJECTED: "a configuration was refused while running, and nothing was changed",
        Event.ACTOR_FAILED: "an exception ended an actor",
        Event.ACTOR_RESTARTED: "the supervisor restarted an actor",
        Event.BRANCH_GAVE_UP: "a branch was restarted too often; the process ends",
        Event.DEAD_LETTER: "a message could not be delivered",
        Event.MARKET_DATA_LOST: "a book cannot be trusted",
        Event.MARKET_DATA_RESUMED: "a book can be trusted again",
        Event.STREAM_LOST: "a WebSocket was lost or could not be made; it is tried again",
        Event.STREAM_READY: "a WebSocket is subscribed and has its data",
        Event.WIRE_ISSUE: "something odd in messages of the exchange was survived",
        Event.USER_STREAM_LOST: "nothing is heard of our orders; entries stop",
        Event.USER_STREAM_READY: "our orders are heard of; what happened meanwhile is asked for",
        Event.ORDER_SUBMITTED: "the request of an order goes out",
        Event.ORDER_MOVED: "an order changed its state",
        Event.ORDER_REJECTED: "the exchange refused an order",
        Event.ORDER_UNKNOWN: "nobody knows whether the exchange took an order",
        Event.ORDER_REPLAYED: "an order without an answer is sent again, with the same client id",
        Event.ORDER_FILLED: "an order was executed, wholly or in part",
        Event.FEES_CHANGED: "the account's fee rates are known, changed, or not known any more",
        Event.CANCEL_REQUESTED: "a cancellation was asked for, and why",
        Event.HOLD_CHANGED: "the reason for not quoting a side changed",
        Event.MODE_CHANGED: "somebody imposed or lifted a mode, with who and why",
        Event.BREAKER_MOVED: "a circuit breaker tripped, halted or is armed again, with its limit",
        Event.OPERATOR_ACTED: "an operator gave a command, with what came of it",
        Event.EXIT_DECIDED: "an exit rule decided; the message begins with its phrase",
        Event.ROUND_TRIP_CLOSED: "a position is closed, with its result",
        Event.FILTER_EVALUATED: "the symbol filter judged every symbol, with what it judged on",
        Event.FILTER_FAILED: "an evaluation did not hold; the last good verdicts do",
        Event.SYMBOL_ADDED: "a symbol is traded from now on",
        Event.SYMBOL_REMOVED: "a symbol is traded no more: it was drained, and is flat",
        Event.SYMBOL_EXCLUDED: "a symbol may not enter any more, with the rule and its numbers",
        Event.SYMBOL_INCLUDED: "a symbol may enter again",
        Event.SYMBOL_MOVED: "the filter moved a symbol, and whether it may enter did not change",
        Event.SHADOW: "an excluded symbol began, ended or closed a trade in the shadow; no money moved",
        Event.ALERT: "something that must never happen quietly",
        Event.RECOVERED: "state was rebuilt from the ledger and the exchange",
        Event.DIFFERENCE_FOUND: "books and exchange do not agree, with both sides",
        Event.DIFFERENCE_RESOLVED: "books and exchange agree again, or it was decided on",
        Event.TIED_OUT: "executions, orders, positions and balances were compared, with the verdict",
        Event.CASH_MOVED: "money came or went without an execution of ours",
        Event.LEDGER_UNAVAILABLE: "the database is away or the journal has no room; entries stop",
        Event.LEDGER_RECOVERED: "the ledger is well again, and everything that waited is stored",
        Event.MANAGEMENT_LISTENING: "the management port answers, with its address",
        Event.EXCHANGE_LISTENING: "the paper exchange answers, with its addresses",
        Event.EXCHANGE_NOTICE: "something that the operator of the paper exchange should know",
        Event.LIBRARY: "a message of a library that we use",
    }
)
"""What each word means, for the documentation."""

EXIT_PHRASES: Final[Mapping[ExitReason, str]] = MappingProxyType(
    {
        ExitReason.BREAK_EVEN_PLUS: "Break-even+ exit",
        ExitReason.PAIRED: "Paired exit",
        ExitReason.TAKE_PROFIT: "Take profit",
        ExitReason.TRAILING_STOP: "Trailing stop",
        ExitReason.MAX_LIFETIME: "Max lifetime",
        ExitReason.TIMEOUT_LOSS: "Timeout at a loss",
        ExitReason.STOP_LOSS: "Stop loss",
        ExitReason.FLATTEN: "Flatten",
        ExitReason.HALT: "Halt",
    }
)
"""How a message about an exit begins. The first and the fifth are what operators have always searched for."""

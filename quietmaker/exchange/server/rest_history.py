"""What became of orders: the list, one order, the executions."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from decimal import Decimal
from itertools import dropwhile, islice, takewhile
from typing import Any, Final, TypeVar

from aiohttp import web

from quietmaker.core.units import EXACT, plain
from quietmaker.exchange.server.channels_user import TIMES_IN_FORCE
from quietmaker.exchange.server.frames import rfc3339
from quietmaker.exchange.server.keys import Key
from quietmaker.exchange.server.office import Office
from quietmaker.exchange.server.records import (
    ENDED,
    ENGINE_TIME,
    FillRecord,
    OrderRecord,
    OrderStatus,
    Records,
)
from quietmaker.exchange.server.rest_market import PRODUCT_TYPES
from quietmaker.exchange.server.rest_wire import (
    Refused,
    answer,
    choices,
    flag,
    invalid,
    moment,
    text,
    texts,
    whole,
)

_Row = TypeVar("_Row", OrderRecord, FillRecord)
MOST_ORDERS: Final = 1_000
FILLS: Final = 100
MOST_FILLS: Final = 3_000
STATUSES: Final = frozenset(OrderStatus)
SIDES: Final = frozenset({"BUY", "SELL"})
KINDS: Final = frozenset(
    {"UNKNOWN_ORDER_TYPE", "MARKET", "LIMIT", "STOP", "STOP_LIMIT", "BRACKET", "TWAP"}
)
PLACED_BY: Final = "RETAIL_ADVANCED"
SOURCES: Final = frozenset({"UNKNOWN_PLACEMENT_SOURCE", "RETAIL_SIMPLE", PLACED_BY})
_TIMES: Final = frozenset({"UNKNOWN_TIME_IN_FORCE", *TIMES_IN_FORCE.values()})


async def order(office: Office, request: web.Request, key: Key) -> web.Response:
    """Answer one order by the exchange's id."""
    del key
    office.desk.now()
    record = office.desk.records.by_id(request.match_info["order_id"])
    if record is None:
        raise Refused(404, "unknown", "order with this orderID was not found")
    return answer({"order": order_row(office, record)})


async def orders(office: Office, request: web.Request, key: Key) -> web.Response:
    """List orders, newest first; a status OPEN excludes PENDING and QUEUED ones."""
    del key
    wanted = _order_filter(request)
    limit = whole(request, "limit", default=MOST_ORDERS, most=MOST_ORDERS)
    sort = choices(request, {"UNKNOWN_SORT_BY", "LIMIT_PRICE", "LAST_FILL_TIME"}, "sort_by")
    office.desk.now()
    records = office.desk.records
    found: Iterable[OrderRecord] = filter(wanted, _candidates(request, records))
    if "LIMIT_PRICE" in sort:
        found = sorted(found, key=lambda record: record.limit, reverse=True)
    elif "LAST_FILL_TIME" in sort:
        found = sorted(found, key=lambda record: record.last_fill or 0, reverse=True)
    page, more = _page(found, text(request, "cursor"), limit, ordered=bool(sort))
    return answer(
        {
            "orders": [order_row(office, record) for record in page],
            "sequence": "0",
            "has_next": more,
            "cursor": str(page[-1].number) if more else "",
            "proof_token_required": False,
        }
    )


async def fills(office: Office, request: web.Request, key: Key) -> web.Response:
    """List executions, newest first; an empty cursor is the end."""
    del key
    wanted = _fill_filter(request)
    limit = whole(request, "limit", default=FILLS, most=MOST_FILLS)
    sort = choices(request, {"UNKNOWN_SORT_BY", "PRICE", "TRADE_TIME"}, "sort_by")
    now = office.desk.now()
    ids = texts(request, "order_ids", "order_id")
    found: Iterable[FillRecord] = filter(wanted, office.desk.records.fills(now, ids))
    if "PRICE" in sort:
        found = sorted(found, key=lambda fill: fill.price, reverse=True)
    page, more = _page(found, text(request, "cursor"), limit, ordered="PRICE" in sort)
    return answer(
        {
            "fills": [fill_row(office, fill) for fill in page],
            "cursor": str(page[-1].number) if more else "",
        }
    )


# --- rows ---------------------------------------------------------------------------------------


def order_row(office: Office, record: OrderRecord) -> dict[str, Any]:
    """Return an order as REST answers it."""
    intent = record.draft.intent
    failed = record.status is OrderStatus.FAILED
    in_quote = "quote_size" in next(iter(record.draft.configuration.values()))
    return {
        "order_id": record.order_id,
        "product_id": record.symbol,
        "user_id": office.house.user_id,
        "order_configuration": record.draft.configuration,
        "side": record.side.value,
        "client_order_id": record.client_id,
        "status": record.status.value,
        "time_in_force": TIMES_IN_FORCE[intent.time_in_force],
        "created_time": _time(record.created),
        "completion_percentage": f"{record.completion:.2f}",
        "filled_size": plain(record.filled),
        "average_filled_price": plain(record.average),
        "fee": "",
        "number_of_fills": str(record.fills),
        "filled_value": plain(record.value),
        "pending_cancel": record.pending_cancel,
        "size_in_quote": in_quote,
        "total_fees": plain(record.fees),
        "size_inclusive_of_fees": record.draft.quote_size is not None,
        "total_value_after_fees": plain(record.after_fees),
        "trigger_status": "INVALID_ORDER_TYPE",
        "order_type": record.draft.kind.value,
        "reject_reason": "REJECT_REASON_UNSPECIFIED",
        "settled": record.ended and bool(record.fills) and not record.hold,
        "product_type": "SPOT",
        "reject_message": record.reason if failed else "",
        "cancel_message": "" if failed else record.reason,
        "order_placement_source": PLACED_BY,
        "outstanding_hold_amount": plain(record.hold),
        "is_liquidation": False,
        "last_fill_time": None if record.last_fill is None else _time(record.last_fill),
        "edit_history": [
            {
                "price": plain(edit.price),
                "size": plain(edit.size),
                "replace_accept_timestamp": _time(edit.at),
            }
            for edit in record.edits
        ],
        "leverage": "",
        "margin_type": "UNKNOWN_MARGIN_TYPE",
        "retail_portfolio_id": office.house.portfolio_id,
        "originating_order_id": "",
        "attached_order_id": "",
        "attached_order_configuration": None,
        "current_pending_replace": None,
        "commission_detail_total": _commission(record.fees),
        "workable_size": "",
        "workable_size_completion_pct": "",
        "product_details": {},
        "cost_basis_method": "COST_BASIS_METHOD_UNSPECIFIED",
        "displayed_order_config": "UNKNOWN_DISPLAYED_ORDER_CONFIG",
        "equity_trading_session": "UNKNOWN_EQUITY_TRADING_SESSION",
        "cursor": str(record.number),
    }


def fill_row(office: Office, fill: FillRecord) -> dict[str, Any]:
    """Return an execution as REST answers it."""
    size = EXACT.multiply(fill.size, fill.price) if fill.in_quote else fill.size
    return {
        "entry_id": fill.entry_id,
        "trade_id": fill.trade_id,
        "order_id": fill.order_id,
        "trade_time": _time(fill.at),
        "trade_type": "FILL",
        "price": plain(fill.price),
        "size": plain(size),
        "commission": plain(fill.commission),
        "product_id": fill.product.symbol,
        "sequence_timestamp": _time(fill.at),
        "liquidity_indicator": fill.liquidity.value,
        "size_in_quote": fill.in_quote,
        "user_id": office.house.user_id,
        "side": fill.side.value,
        "retail_portfolio_id": office.house.portfolio_id,
        "fillSource": "FILL_SOURCE_CLOB",
        "commission_detail_total": _commission(fill.commission),
    }


# --- inside -------------------------------------------------------------------------------------


def _order_filter(request: web.Request) -> Callable[[OrderRecord], bool]:
    """Return what decides whether an order is listed."""
    ids, products = frozenset(texts(request, "order_ids")), frozenset(texts(request, "product_ids"))
    products |= frozenset(texts(request, "product_id"))
    assets = frozenset(texts(request, "asset_filters"))
    statuses = choices(request, STATUSES, "order_status")
    kinds = choices(request, KINDS, "order_types", "order_type")
    sides = choices(request, SIDES, "order_side")
    times = choices(request, _TIMES, "time_in_forces")
    since, until = moment(request, "start_date"), moment(request, "end_date")
    flag(request, "use_simplified_total_value_calculation")
    elsewhere = _elsewhere(request)

    def wanted(record: OrderRecord) -> bool:
        product, intent = record.draft.product, record.draft.intent
        return not elsewhere and (
            (not ids or record.order_id in ids)
            and (not products or record.symbol in products)
            and (not assets or not assets.isdisjoint((product.base, product.quote)))
            and (not statuses or record.status in statuses)
            and (not kinds or record.draft.kind in kinds)
            and (not sides or record.side.value in sides)
            and (not times or TIMES_IN_FORCE[intent.time_in_force] in times)
            and (since is None or record.created >= since)
            and (until is None or record.created < until)
        )

    return wanted


def _elsewhere(request: web.Request) -> bool:
    """Return whether only orders of kinds that this exchange has none of are asked for."""
    kinds = choices(request, PRODUCT_TYPES, "product_type")
    sources = choices(request, SOURCES, "order_placement_source")
    expiry = text(request, "contract_expiry_type")
    return (
        kinds == {"FUTURE"}
        or sources == {"RETAIL_SIMPLE"}
        or expiry not in {"", "UNKNOWN_CONTRACT_EXPIRY_TYPE"}
    )


def _fill_filter(request: web.Request) -> Callable[[FillRecord], bool]:
    """Return what decides whether an execution is listed."""
    trades = frozenset(texts(request, "trade_ids"))
    products = frozenset(texts(request, "product_ids", "product_id"))
    since = moment(request, "start_sequence_timestamp")
    until = moment(request, "end_sequence_timestamp")

    def wanted(fill: FillRecord) -> bool:
        return (
            (not trades or fill.trade_id in trades)
            and (not products or fill.product.symbol in products)
            and (since is None or fill.at >= since)
            and (until is None or fill.at <= until)
        )

    return wanted


def _candidates(request: web.Request, records: Records) -> Iterator[OrderRecord]:
    """Return the orders that can pass the filter, newest first, without looking at all of them."""
    if ids := texts(request, "order_ids"):
        found = [record for each in set(ids) if (record := records.by_id(each)) is not None]
        return iter(sorted(found, key=lambda record: record.number, reverse=True))
    statuses = texts(request, "order_status")
    if statuses and ENDED.isdisjoint(statuses):
        return reversed(list(records.live()))
    since = moment(request, "start_date")
    newest = records.newest_first()
    return newest if since is None else takewhile(lambda r: r.created >= since, newest)


def _page(
    found: Iterable[_Row], cursor: str, limit: int, *, ordered: bool
) -> tuple[list[_Row], bool]:
    """Return the page behind a cursor, and whether more follow.

    A cursor is the number of the last row of a page. Without another order than the default, rows
    that appear or vanish between two pages shift nothing.
    """
    rest: Iterator[_Row] = iter(found)
    if cursor:
        if not cursor.isdecimal() or len(cursor) > 15:
            raise invalid("cursor", cursor)
        last = int(cursor)
        if ordered:
            rest = islice(dropwhile(lambda row: row.number != last, rest), 1, None)
        else:
            rest = (row for row in rest if row.number < last)
    page = list(islice(rest, limit + 1))
    return page[:limit], len(page) > limit


def _commission(total: Decimal) -> dict[str, str]:
    return {
        "total_commission": plain(total),
        "gst_commission": "0",
        "withholding_commission": "0",
        "client_commission": plain(total),
        "venue_commission": "0",
        "regulatory_commission": "0",
        "clearing_commission": "0",
    }


def _time(at: int) -> str:
    return rfc3339(at // ENGINE_TIME * ENGINE_TIME)

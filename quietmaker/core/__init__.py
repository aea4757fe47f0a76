"""The pure trading core: no I/O, no clock, no threads, no third party.

Everything here is a function or a state machine over values. Time arrives inside events
(`now`, nanoseconds of UTC), prices are integer ticks, sizes are integer lots, rates are
integers in parts per billion, and money is exact `Decimal`.
"""

"""Live configuration: a reload is a transaction. It is in force everywhere, or nowhere.

`generations` is the transaction, `reloader` brings candidates to it (file, signal, HTTP), `parts` holds
those who take part and have no better home.
"""

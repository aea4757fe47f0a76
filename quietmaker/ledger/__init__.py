"""The books, on PostgreSQL: embedded or served, written before sent, rebuilt after anything.

`embedded` runs the server, `migrate` its schema, `postgres` is the ledger (`memory` its twin without a
database), `reports` what the operator reads. Nothing is imported here: the twin needs no driver.
"""

-- How far a journal was applied, for those who only read.

-- name: applied
SELECT seq FROM journal_applied WHERE journal = %(journal)s

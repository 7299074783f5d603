-- Whether this role may change a publication, and how many transactions ago it was made or changed.
SELECT pg_has_role(pubowner, 'USAGE'), age(xmin)
FROM pg_publication
WHERE pubname = %(name)s

-- The schemas that a publication names as a whole.
SELECT namespace.nspname
FROM pg_publication_namespace AS published
JOIN pg_namespace AS namespace ON namespace.oid = published.pnnspid
WHERE published.pnpubid = %(publication)s
ORDER BY namespace.nspname

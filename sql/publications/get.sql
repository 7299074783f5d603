-- A publication, and the tables and schemas that it names.
-- Through to_regclass and to_jsonb nothing is asked of a server that does not have it: schemas can
-- be published from PostgreSQL 15 on.
SELECT publication.oid::int8,
       publication.puballtables,
       publication.pubviaroot,
       array_remove(
           ARRAY[
               CASE WHEN publication.pubinsert THEN 'insert' END,
               CASE WHEN publication.pubupdate THEN 'update' END,
               CASE WHEN publication.pubdelete THEN 'delete' END,
               CASE WHEN publication.pubtruncate THEN 'truncate' END
           ],
           NULL
       ) AS operations,
       pg_get_userbyid(publication.pubowner) AS owner,
       ARRAY(
           SELECT prrelid::int8 FROM pg_publication_rel WHERE prpubid = publication.oid
       ) AS table_oids
FROM pg_publication AS publication
WHERE publication.pubname = %(name)s

INSERT INTO pgbridge_read_models (name, live, version, layout, source, position)
VALUES (:name, :live, :version, :layout, :source, 0)

INSERT INTO shop.page_views (path, took) VALUES (%(path)s, make_interval(secs => %(seconds)s))

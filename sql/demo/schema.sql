-- A small shop, with the kinds of columns that are hard to get right.
CREATE SCHEMA shop;

CREATE TYPE shop.order_status AS ENUM ('new', 'paid', 'packed', 'shipped', 'delivered');
CREATE TYPE shop.address AS (street text, postcode text, city text);

CREATE TABLE shop.customers (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    name text NOT NULL,
    email text NOT NULL UNIQUE,
    vip boolean NOT NULL DEFAULT false,
    address shop.address,
    preferences jsonb NOT NULL DEFAULT '{}',
    last_ip inet,
    joined date NOT NULL DEFAULT current_date
);

CREATE TABLE shop.products (
    id integer GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    name text NOT NULL,
    price numeric(10, 2) NOT NULL,
    stock integer NOT NULL,
    tags text[] NOT NULL DEFAULT '{}',
    rating real,
    sku uuid NOT NULL UNIQUE DEFAULT gen_random_uuid(),
    thumbnail bytea,
    description text NOT NULL
);

-- Stored out of line: an update of another column does not send it.
ALTER TABLE shop.products ALTER COLUMN description SET STORAGE EXTERNAL;

CREATE TABLE shop.orders (
    id bigint GENERATED ALWAYS AS IDENTITY (START WITH 1001) PRIMARY KEY,
    customer_id bigint NOT NULL REFERENCES shop.customers,
    status shop.order_status NOT NULL DEFAULT 'new',
    total numeric(12, 2) NOT NULL DEFAULT 0,
    delivery daterange,
    placed_at timestamptz NOT NULL DEFAULT now()
);

CREATE TABLE shop.order_items (
    order_id bigint NOT NULL REFERENCES shop.orders ON DELETE CASCADE,
    line smallint NOT NULL,
    product_id integer NOT NULL REFERENCES shop.products,
    quantity integer NOT NULL CHECK (quantity > 0),
    unit_price numeric(10, 2) NOT NULL,
    PRIMARY KEY (order_id, line)
);

-- A scratch table: written all the time, emptied now and then.
CREATE TABLE shop.page_views (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    path text NOT NULL,
    took interval NOT NULL,
    at timestamptz NOT NULL DEFAULT clock_timestamp()
);

-- With the whole old row, an update shows what changed. Products keep the default, their key.
ALTER TABLE shop.customers REPLICA IDENTITY FULL;
ALTER TABLE shop.orders REPLICA IDENTITY FULL;

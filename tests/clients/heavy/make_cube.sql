-- The cube that heavy clients read: a million cells, numbered in the order of their axes.
CREATE TABLE lake.field WITH (dims = 'time,lat,lon') AS
SELECT to_timestamp(1577836800 + t.value * 86400) AS time,
       CAST(y.value AS double) AS lat,
       CAST(x.value AS double) AS lon,
       CAST(t.value + y.value / 100.0 AS real) AS temperature,
       CAST(t.value * 10000 + (y.value + 49) * 100 + x.value AS int) AS number
FROM generate_series(0, 99) t(value), generate_series(-49, 50) y(value), generate_series(0, 99) x(value);

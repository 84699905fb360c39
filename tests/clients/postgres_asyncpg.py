"""What asyncpg does, which speaks binary only and asks the server for what it does not know: `postgres_asyncpg.py URL`."""

import asyncio
import datetime as dt
import sys
from decimal import Decimal

import asyncpg


async def main(url):
    host, port = url.split("//")[1].split("/")[0].split(":")
    connection = await asyncpg.connect(host=host, port=int(port), user="ada", database="graticule", ssl=False)
    assert connection.get_server_version().major == 15
    assert await connection.fetchval("SELECT 1") == 1
    row = await connection.fetchrow(
        "SELECT count(*) AS count, min(time) AS first, avg(surface_temperature) AS mean "
        "FROM samples.ostia_monthly WHERE latitude > $1 AND time >= $2",
        0.5,
        dt.datetime(2006, 5, 1),
    )
    assert row["count"] > 0 and row["first"].year == 2006 and 250 < row["mean"] < 320, row
    values = await connection.fetchrow(
        "SELECT $1::int AS a, $2::text AS b, $3::double AS c, $4::date AS d, $5::numeric(10, 2) AS e, $6::bytea AS f",
        7,
        "x",
        1.5,
        dt.date(2020, 2, 29),
        Decimal("1.25"),
        b"\x00",
    )
    assert tuple(values) == (7, "x", 1.5, dt.date(2020, 2, 29), Decimal("1.25"), b"\x00"), values
    async with connection.transaction():
        rows = [row[0] async for row in connection.cursor("SELECT value FROM generate_series(1, 500)", prefetch=37)]
        assert rows == list(range(1, 501))
        cursor = await connection.cursor("SELECT value FROM generate_series(1, 1000000000000)")
        assert len(await cursor.fetch(5)) == 5
        assert await cursor.forward(3) == 3
        assert (await cursor.fetchrow())[0] == 9
    statement = await connection.prepare("SELECT [1, 2, 3] AS items, named_struct('a', 1) AS record")
    assert [attribute.type.name for attribute in statement.get_attributes()] == ["int8[]", "json"]
    assert tuple(await statement.fetchrow()) == ([1, 2, 3], '{"a":1}')
    await connection.set_type_codec("json", encoder=str, decoder=str, schema="pg_catalog")
    try:
        await connection.fetch("SELECT * FROM nowhere")
        raise AssertionError("no error")
    except asyncpg.UndefinedTableError as error:
        assert "nowhere" in str(error)
    try:
        await connection.fetch("SELECT max(value) FROM generate_series(1, 1000000000000)", timeout=0.3)
        raise AssertionError("no timeout")
    except asyncio.TimeoutError:
        pass
    # The timeout cancels the statement on the server, and the connection goes on.
    assert await connection.fetchval("SELECT 2") == 2
    await connection.execute("SET search_path TO samples; SELECT 1")
    await connection.reset()
    await connection.close()
    pool = await asyncpg.create_pool(
        host=host, port=int(port), user="ada", database="graticule", ssl=False, min_size=2, max_size=4
    )
    async with pool:
        results = await asyncio.gather(*(pool.fetchval("SELECT $1::int", number) for number in range(40)))
    assert results == list(range(40))
    print("asyncpg: queries, parameters, cursors, timeouts, a pool")


asyncio.run(main(*sys.argv[1:]))

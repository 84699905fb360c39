"""One session of PostgreSQL's protocol: `postgres_session.py URL USER PASSWORD`.

For each line of standard input, a statement, a line of JSON: its rows, or its SQLSTATE.
"""

import json
import sys

import psycopg

url, user, password = sys.argv[1:]
with psycopg.connect(url, user=user, password=password, autocommit=True) as connection:
    for statement in sys.stdin:
        try:
            answer = connection.execute(statement).fetchall()
        except psycopg.Error as error:
            answer = error.sqlstate
        print(json.dumps(answer), flush=True)

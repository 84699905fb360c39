"""What the scripts about permissions share: what a table that is hidden says through a door, and what lists say.

A script gets a file of JSON: the users with their passwords and API keys, the folder of the server, and the addresses
of two servers, of which the second one lets in who does not say who they are. `connect(name)` gives a function that
runs a statement as this user and returns all that the door says, be it rows or an error, as one text.
"""

import json
import pathlib
import sys

# In values of cells that only the boss may see.
SECRET = "66613"

STATEMENTS = pathlib.Path(__file__).with_name("statements_of_a_table.txt").read_text().splitlines()

# What lists tables and statements, in every door.
LISTS = (
    "SHOW TABLES",
    "SHOW TABLES FROM lake",
    "SELECT * FROM cube.tables",
    "SELECT * FROM cube.variables",
    "SELECT * FROM cube.dimensions",
    "SELECT * FROM cube.queries",
    "SELECT * FROM cube.jobs",
    "SELECT * FROM information_schema.tables",
    "SELECT * FROM information_schema.columns",
    "SELECT * FROM information_schema.views",
)
# Those of them that name the hidden table to who may see it.
TELLING = [text for text in LISTS if text.split(".")[-1] not in ("jobs", "views")]

# What may be read of the table that everybody but `nobody` may read, and how often 66613 is in it.
GRANTED = "SELECT count(*) AS cells FROM lake.ocean"


def given():
    with open(sys.argv[1]) as file:
        return json.load(file)


def check_lists(name, connect, lists=LISTS, telling=TELLING):
    """Nothing hidden is in what lists say to `name`; the boss, who may see it, finds it there."""
    boss, user = connect("boss"), connect(name)
    for text in lists:
        boss("SELECT max(hush) AS hush FROM lake.hidden_a")
        said = user(text)
        assert "hidden" not in said and SECRET not in said, (name, text, said)
        if text in telling:
            assert "hidden" in boss(text), text


def check_statements(name, connect, folder):
    """Each statement says the same of the table that is hidden and of one that is not there."""
    boss, user = connect("boss"), connect(name)
    refused = 0
    for text in STATEMENTS:
        answers = []
        for letter in "az":
            statement = text.replace("{t}", "lake.hidden_?").replace("?", letter)
            said = user(statement.replace("PATH", f"{folder}/{letter}"))
            assert SECRET not in said or name != "limited", (name, statement, said)
            said = said.replace(f"{folder}/z", f"{folder}/a")
            answers.append(said.replace("hidden_z", "hidden_a").replace("HIDDEN_Z", "HIDDEN_A"))
        assert answers[0] == answers[1], (name, text, answers)
        refused += "does not exist" in answers[0] or "there is no" in answers[0] or "not allowed" in answers[0]
    # Else nothing was compared but mistakes of this script.
    assert refused > len(STATEMENTS) / 2, (name, refused)
    assert "512" in boss("SELECT count(*) AS cells FROM lake.hidden_a"), name

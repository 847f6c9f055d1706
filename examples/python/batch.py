#!/usr/bin/env python3
"""Have many people sign the same PDF.

    batch.py send BATCH FILE PEOPLE     ask all of PEOPLE, a CSV file with the columns
                                        email, first_name, last_name; all or nobody
    batch.py status BATCH               print how it stands
    batch.py collect BATCH FOLDER       write the signed documents that are there

PGHOST, PGDATABASE, PGUSER and the like say where the database is.
"""

import csv
import pathlib
import sys

import psycopg

TABLE = """
CREATE TABLE IF NOT EXISTS letter (
    batch        text NOT NULL,
    email        text NOT NULL,
    signature_id uuid NOT NULL,
    PRIMARY KEY (batch, email)
)"""

ASK = """
INSERT INTO letter (batch, email, signature_id)
SELECT %(batch)s, %(email)s, ignisign_sign(
    title     => %(title)s,
    document  => %(pdf)s::bytea,
    file_name => %(title)s,
    signers   => ARRAY[ignisign_signer(%(email)s, %(first_name)s, %(last_name)s)])"""

STATUS = """
SELECT l.email, r.state, r.status, r.last_error
FROM letter l JOIN ignisign.requests r ON r.id = l.signature_id
WHERE l.batch = %s ORDER BY l.email"""

SIGNED = """
SELECT l.email, ignisign_proof(l.signature_id)
FROM letter l JOIN ignisign.requests r ON r.id = l.signature_id
WHERE l.batch = %s AND r.proofs > 0"""


def connect():
    """Connect; without prepared statements, which a pool by transactions mixes up."""
    return psycopg.connect("", prepare_threshold=None)


def send(batch, file, people):
    """Ask all in one transaction: one malformed address, and nobody is asked."""
    path = pathlib.Path(file)
    letter = {"batch": batch, "title": path.name, "pdf": path.read_bytes()}
    with open(people, newline="", encoding="utf-8") as lines:
        rows = [letter | person for person in csv.DictReader(lines)]
    with connect() as connection:
        connection.execute(TABLE)
        for row in rows:
            connection.execute(ASK, row)
    print(f"{len(rows)} are asked")


def status(batch):
    """Print a line for each person."""
    with connect() as connection:
        for row in connection.execute(STATUS, (batch,)):
            print(*(value or "-" for value in row), sep="\t")


def collect(batch, folder):
    """Write the signed documents, one at a time, however many there are."""
    with connect() as connection, connection.cursor(name="signed") as signed:
        signed.itersize = 10
        for email, pdf in signed.execute(SIGNED, (batch,)):
            pathlib.Path(folder, f"{email}.pdf").write_bytes(pdf)
            print(email)


COMMANDS = {"send": (send, 3), "status": (status, 1), "collect": (collect, 2)}


def main(arguments):
    """Run the command that the arguments name."""
    command, count = COMMANDS.get(arguments[0] if arguments else "", (None, 0))
    if command is None or len(arguments) != count + 1:
        sys.exit(__doc__)
    try:
        command(*arguments[1:])
    except psycopg.Error as error:
        # IG003 is a malformed e-mail address, for example.
        sys.exit(f"{error.sqlstate}: {error}")


if __name__ == "__main__":
    main(sys.argv[1:])

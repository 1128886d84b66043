from __future__ import annotations

import threading

import pytest
import sqlalchemy as sa
from service.events import remote_rows

from creditrisk.errors import ServiceError
from creditrisk.service.postgres.database import SCHEMA, connect
from creditrisk.service.postgres.migrate import HEAD, VERSION_TABLE, config, ensure, migrate
from creditrisk.service.postgres.tables import METADATA

TABLES = f"SELECT table_name FROM information_schema.tables WHERE table_schema = '{SCHEMA}' ORDER BY 1"


def test_the_newest_migration_is_the_one_that_is_looked_for() -> None:
    from alembic.script import ScriptDirectory

    assert ScriptDirectory.from_config(config()).get_current_head() == HEAD


@pytest.mark.slow
def test_migrations_make_the_tables_that_the_metadata_says_and_may_be_run_twice(database: str) -> None:
    from alembic.autogenerate import compare_metadata
    from alembic.migration import MigrationContext

    assert migrate(database) == migrate(database) == HEAD
    engine = sa.create_engine(database.replace("postgresql:", "postgresql+psycopg:"), poolclass=sa.NullPool)
    with engine.connect() as connection:
        options = {"include_schemas": True, "version_table": VERSION_TABLE, "version_table_schema": SCHEMA}
        assert compare_metadata(MigrationContext.configure(connection, opts=options), METADATA) == []


@pytest.mark.slow
def test_of_starters_at_once_one_makes_the_tables_and_the_others_wait(database: str) -> None:
    failures: list[BaseException] = []

    def start() -> None:
        try:
            with connect(database) as connection:
                ensure(connection, database)
        except BaseException as error:
            failures.append(error)

    threads = [threading.Thread(target=start) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failures == []
    assert [name for (name,) in remote_rows(database, TABLES)] == sorted(
        [*(t.name for t in METADATA.tables.values()), VERSION_TABLE]
    )


@pytest.mark.parametrize(
    ("url", "sentence"),
    [
        (None, "DATABASE_URL is not set"),
        ("mysql://x", "names no PostgreSQL"),
        ("postgresql://lender:geheim@host:port/x", "cannot be understood|cannot be made"),
        ("postgresql://lender:geheim@127.0.0.1:1/none", "cannot be made: connection"),
    ],
)
def test_a_wrong_address_is_a_sentence_without_the_password(url: str | None, sentence: str) -> None:
    with pytest.raises(ServiceError, match=sentence) as caught:
        migrate(url)
    assert "geheim" not in str(caught.value)

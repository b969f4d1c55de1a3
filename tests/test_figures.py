from __future__ import annotations

from objectstore_watcher.errors import KINDS

from tests.sidecar.rows import table


def test_the_table_of_faults_has_each_row_and_says_which_server_showed_it() -> None:
    first, *rows = table(["dns fake", "dns moto", "dns moto", "tls MinIO"])
    assert first == f"faults shown: 2 of the {len(KINDS)} in the table, by 3 pairs of fault and server"
    assert [row.split()[0] for row in rows] == list(KINDS)
    told = {row.split()[0]: row.split()[1:] for row in rows}
    assert (told["dns"], told["tls"], told["absent"]) == (
        ["fake", "-", "moto", "-"],
        ["-", "MinIO", "-", "-"],
        ["-"] * 4,
    )


def test_a_run_without_rows_has_no_table() -> None:
    assert list(table([])) == []

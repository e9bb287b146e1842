"""The catalogue: one folder, one database, one writer.

``catalogue.duckdb`` holds the tables, ``merian.json`` says what the folder is; ``media/``,
``libraries/``, ``models/`` and ``runs/`` appear when something is put there. DuckDB holds a lock
while the database is open for writing, and a shared one while it is read. Whatever a killed
process left in its work folder is swept away by the next writer, which then knows that it is alone.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import duckdb

from merian.catalogue.beside import laid
from merian.catalogue.checks import literal
from merian.catalogue.definitions import definitions
from merian.catalogue.export import export
from merian.catalogue.info import describe
from merian.catalogue.ingest import Progress, ingest
from merian.catalogue.label_apply import Applied, apply_labels
from merian.catalogue.opening import WORK, explained, shut_in, work_folder
from merian.catalogue.query import ITSELF, STORED, Result, ask
from merian.catalogue.schema import SCHEMA_VERSION
from merian.catalogue.sources import Reading
from merian.catalogue.summary import Info, Summary
from merian.catalogue.upgrade import upgrade
from merian.errors import CatalogueError, FormatError
from merian.files import new_folder, write_json
from merian.stamp import check_stamp, stamp

if TYPE_CHECKING:
    from merian.catalogue.clusters import ClusterName
    from merian.catalogue.splits import Contained, NearBarcodes, Plan, Report, Stored
    from merian.taxonomy import Taxonomy, TaxonomyLock
    from merian.taxonomy.label_map import LabelMap
    from merian.taxonomy.migration import Move, Use

__all__ = ["Catalogue"]

_FORMAT = "merian-catalogue"
_DATABASE, _STAMP = "catalogue.duckdb", "merian.json"
_MEMORY = "1600MB"

# DuckDB lets one process open a file twice; two imports at once must still be refused.
_WRITERS: set[Path] = set()

_NO_NETWORK: dict[str, Any] = {
    "autoinstall_known_extensions": "false",
    "autoload_known_extensions": "false",
}

# The layout on the disk that the oldest DuckDB we support can read.
_MADE: dict[str, Any] = {**_NO_NETWORK, "storage_compatibility_version": "v1.4.0"}


class Catalogue:
    """A catalogue of records, open for reading or for writing.

    Open one with `Catalogue.open` or make one with `Catalogue.create`, and close it, or use it in
    a ``with`` block.

    Attributes:
        path: Its folder.
        read_only: Whether it is open for reading only.
        part: The parts of a split that all queries are about, as they were asked for.
    """

    def __init__(self, path: Path, *, read_only: bool, threads: int | None, memory: str) -> None:
        self.part: str | None = None
        self._views: dict[str, str] = {}  # that stand before the tables, in the order of making
        self.path, self.read_only, self._memory = path, read_only, memory
        self._threads = threads or os.cpu_count() or 1
        self._con: duckdb.DuckDBPyConnection | None = None
        self._writing = False
        self._work = work_folder(path)
        if read_only:
            self._reader()
            return
        if path in _WRITERS:
            raise CatalogueError(f"{path}: is open for writing in this process already; close it")
        self._writer()
        _WRITERS.add(path)
        for left in path.glob(f"{WORK}*"):
            if left != self._work:
                shutil.rmtree(left, ignore_errors=True)

    @classmethod
    def create(
        cls, path: Path | str, *, threads: int | None = None, memory: str = _MEMORY
    ) -> Catalogue:
        """Make an empty catalogue in a new or empty folder, and open it for writing."""
        path = Path(path).absolute()
        if (path / _STAMP).exists():
            raise CatalogueError(f"{path}: is a catalogue already; open it, or choose a new folder")
        if path.exists() and (not path.is_dir() or any(path.iterdir())):
            raise CatalogueError(
                f"{path}: is not empty; a new catalogue needs a new or empty folder"
            )
        with new_folder(path) as part:
            with duckdb.connect(part / _DATABASE, config=_MADE) as con:
                for sql in definitions():
                    con.execute(sql).fetchall()
            write_json(part / _STAMP, {"merian": stamp(_FORMAT, SCHEMA_VERSION, "create")})
        return cls(path, read_only=False, threads=threads, memory=memory)

    @classmethod
    def open(
        cls,
        path: Path | str,
        *,
        read_only: bool = False,
        threads: int | None = None,
        memory: str = _MEMORY,
        part: str | None = None,
    ) -> Catalogue:
        """Open a catalogue.

        Args:
            path: Its folder.
            read_only: Several processes may read at once; a writer must be alone.
            threads: How many to use; all cores unless told.
            memory: How much DuckDB may take; what does not fit is kept in the work folder. The
                process takes some 100 MB more.
            part: Of a split, to read nothing but its records: NAME:PART+PART, or NAME for all that
                is not set aside.
        """
        path = Path(path).absolute()
        if not path.exists():
            raise CatalogueError(
                f"{path}: there is no such folder; `merian import` makes a catalogue"
            )
        if not (path / _STAMP).is_file() or not (path / _DATABASE).is_file():
            raise CatalogueError(
                f"{path}: is no catalogue, which holds {_STAMP} and {_DATABASE}. Give the folder "
                "of a catalogue, or a new folder to make one"
            )
        try:
            check_stamp(path / _STAMP, _FORMAT, int(SCHEMA_VERSION.partition(".")[0]))
        except FormatError as error:
            raise CatalogueError(str(error)) from None
        upgrade(path, path / _DATABASE, path / _STAMP, SCHEMA_VERSION)
        opened = cls(path, read_only=read_only, threads=threads, memory=memory)
        if part is not None:
            opened._see(part)
        return opened

    def close(self) -> None:
        """Let go of the database and its lock."""
        self._disconnect()
        if not self.read_only:
            _WRITERS.discard(self.path)
        shutil.rmtree(self._work, ignore_errors=True)

    def __enter__(self) -> Catalogue:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def ingest(
        self,
        reading: Reading,
        *,
        verb: str = "import",
        arguments: Mapping[str, object] | None = None,
        taxonomy: Taxonomy | None = None,
        progress: Progress | None = None,
    ) -> Summary:
        """Take in what a format found, all of it or nothing.

        Args:
            reading: Where the rows are.
            verb: The command that does it.
            arguments: What else decides the result; a part of the run's id.
            taxonomy: The checklist to match the names to.
            progress: Is told what is being done, and how many rows were read so far.
        """
        if self.read_only:
            raise CatalogueError(f"{self.path}: is open for reading only")
        return ingest(
            self._writer(),
            self._work,
            reading,
            verb=verb,
            arguments=arguments,
            taxonomy=taxonomy,
            progress=progress,
        )

    def names_used(self, lock: TaxonomyLock) -> list[Use]:
        """Return the names of a checklist that its identifications stand on."""
        from merian.catalogue.moving import names_used  # noqa: PLC0415  (loaded only where it is asked for)

        return names_used(self._reader(), lock)

    def moved_by(self, mark: str) -> bool:
        """Return whether the plan of a migration was carried out here before."""
        from merian.catalogue.moving import moved_by  # noqa: PLC0415  (loaded only where it is asked for)

        return moved_by(self._reader(), mark)

    def move_names(self, moves: Sequence[Move], old: Taxonomy, new: Taxonomy, mark: str) -> Summary:
        """Say identifications again in a newer version of their checklist; all or none.

        Args:
            moves: What becomes of its names.
            old: The older version.
            new: The newer version.
            mark: The plan's hash; one that was carried out is not carried out again.
        """
        from merian.catalogue.moving import move_names  # noqa: PLC0415  (loaded only where it is asked for)

        if self.read_only:
            raise CatalogueError(f"{self.path}: is open for reading only")
        return move_names(self._writer(), moves, old, new, mark)

    def split(
        self,
        plan: Plan,
        *,
        contained: Contained | None = None,
        near: NearBarcodes | None = None,
        progress: Progress | None = None,
    ) -> Stored:
        """Divide the records, and keep the split; one that is there is never overwritten.

        Args:
            plan: What is asked.
            contained: Joins barcodes that lie within others; see `merian.audit.held`.
            near: Finds near barcodes; see `merian.audit.near_barcodes`. None: not looked for.
            progress: Is told what is being done.
        """
        from merian.catalogue.splits import make_split  # noqa: PLC0415 - only where asked for

        if self.read_only:
            raise CatalogueError(f"{self.path}: is open for reading only")
        return make_split(self._writer(), plan, contained, near, progress)

    def splits(self) -> list[Stored]:
        """Return the splits that it holds."""
        from merian.catalogue.splits import splits_of  # noqa: PLC0415 - only where asked for

        return splits_of(self._reader())

    def report(self, name: str) -> Report:
        """Look closely at a split: what leaks, and the taxa of each part."""
        from merian.catalogue.splits import report_on  # noqa: PLC0415 - only where asked for

        return report_on(self._reader(), name)

    def apply_labels(
        self, labels: LabelMap, *, source: str = "", progress: Progress | None = None
    ) -> Applied:
        """Name the records as a map says of their labels; see `merian.catalogue.label_apply`.

        Args:
            labels: The map, with its errata in it.
            source: What records without a data set are of.
            progress: Is told what is being done.
        """
        if self.read_only:
            raise CatalogueError(f"{self.path}: is open for reading only")
        con = self._writer()
        self._work.mkdir(parents=True, exist_ok=True)  # for what does not fit into memory
        try:
            return apply_labels(con, labels, source=source, progress=progress)
        finally:
            shutil.rmtree(self._work, ignore_errors=True)

    def keep_clusters(
        self,
        tables: Mapping[str, Sequence[Sequence[object]]],
        names: Sequence[ClusterName],
        run: Mapping[str, Any],
    ) -> int:
        """Write what is known of clusters; see `merian.catalogue.clusters`.

        Args:
            tables: By table, the rows of all its columns.
            names: What the members of clusters are called.
            run: Its runID, arguments and inputs.
        """
        from merian.catalogue.clusters import write_clusters  # noqa: PLC0415 - only where asked for

        if self.read_only:
            raise CatalogueError(f"{self.path}: is open for reading only")
        return write_clusters(self._writer(), tables, names, run)

    def query(self, sql: str) -> Result:
        """Answer one SQL query, which can read the tables and nothing else."""
        return ask(self._reader(), sql, self._views)

    def write_table(self, what: str, path: Path | str) -> int:
        """Write a table, or the answer to a query, as the suffix says; return its rows."""
        return export(self._reader(), self._work, what, Path(path), self._views)

    @contextmanager
    def instead(self, table: str, sql: str) -> Iterator[None]:
        """Within this, queries find what a query gives in place of a table.

        Args:
            table: The table.
            sql: What stands for it; there the table itself is called ``itself``.
        """
        there = self._views
        own = there.get(table, f"SELECT * FROM {STORED}.{table}")
        view = f"WITH {ITSELF} AS NOT MATERIALIZED ({own}) {sql}"
        self._views = {**there, table: view}
        try:
            yield
        finally:
            self._views = there

    def lay_beside(
        self, name: str, columns: Sequence[str], rows: Iterable[Sequence[str | None]]
    ) -> str:
        """Lay texts beside the tables until the catalogue is closed; return what FROM takes.

        Args:
            name: What to call it.
            columns: The names of its columns.
            rows: Its rows, which need not fit into memory.
        """
        self._work.mkdir(parents=True, exist_ok=True)
        return laid(self._work / f"{name}.parquet", columns, rows)

    def info(self) -> Info:
        """Return what it holds, in numbers."""
        return describe(self._reader(), self.path)

    def _see(self, part: str) -> None:
        """Let queries see some parts of a split alone."""
        from merian.catalogue.splits.part_views import part_views  # noqa: PLC0415 - as above

        try:
            if not self.read_only:
                raise CatalogueError(f"{self.path}: a part of it is open for reading only")
            self.part, self._views = part, part_views(self.splits(), part)
        except BaseException:
            self.close()
            raise

    def held(self) -> duckdb.DuckDBPyConnection:
        """Return the connection, for who reads and writes in turn for hours, as the desk does."""
        if self.read_only:
            raise CatalogueError(f"{self.path}: is open for reading only")
        self._work.mkdir(parents=True, exist_ok=True)
        return self._writer()

    # -- connections ----------------------------------------------------------------------------

    def _writer(self) -> duckdb.DuckDBPyConnection:
        if self._con is None or not self._writing:
            self._connect(
                writing=True,
                config={**_NO_NETWORK, "temp_directory": str(self._work / "spill")},
            )
        assert self._con is not None
        return self._con

    def _reader(self) -> duckdb.DuckDBPyConnection:
        """Return a connection that can neither write nor look at files beside the database."""
        if self._con is None or self._writing:
            self._connect(
                writing=False,
                config={
                    **_NO_NETWORK,
                    "access_mode": "READ_ONLY",
                    "python_enable_replacements": "false",
                    "temp_directory": str(self._work / "spill"),
                },
            )
            assert self._con is not None
            shut_in(self._con, self._work)
        assert self._con is not None
        return self._con

    def _connect(self, *, writing: bool, config: dict[str, Any]) -> None:
        self._disconnect()
        try:
            self._con = duckdb.connect(self.path / _DATABASE, config=config)
            self._con.execute("SET enable_progress_bar = false").fetchall()
            self._con.execute(f"SET threads = {self._threads}").fetchall()
            self._con.execute(f"SET memory_limit = {literal(self._memory)}").fetchall()
        except duckdb.Error as error:
            raise explained(self.path, error) from None
        self._writing = writing

    def _disconnect(self) -> None:
        if self._con is not None:
            self._con.close()
            self._con = None

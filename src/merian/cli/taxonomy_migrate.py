"""``merian taxonomy migrate``: from one version of a checklist to a newer one, after a look."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from cyclopts import Parameter

from merian.cli import screen
from merian.errors import InputError

if TYPE_CHECKING:
    from merian.cli.migrate_targets import Target
    from merian.taxonomy.migration import Move, Plan
    from merian.taxonomy.versions import Comparison

__all__ = ["migrate"]

_PLAN = Path("migration.tsv")
_SHOWN = 40  # rows of the list that are printed; all stand in the plan

Moves = Mapping[str, Sequence["Move"]]


def migrate(
    *targets: Path,
    from_: Annotated[Path | None, Parameter(name="--from")] = None,
    to: Annotated[Path | None, Parameter(name="--to")] = None,
    plan: Path = _PLAN,
    decide: Path | None = None,
    apply: Path | None = None,
    quiet: screen.Quiet = False,
) -> None:
    """Move names from one version of a checklist to another.

    Without --apply nothing is changed: what would become of each name is listed, and written down
    as a plan. What cannot be decided is yours to decide there, in the column decision: an id of the
    newer version, `keep` (stay under the old name), or `parent` (go to what the candidates have in
    common). What you leave open stays under its old name. Then give the plan with --apply.

    Args:
        targets: Catalogues, libraries, models and maps of labels.
        from_: The taxonomy that they are named in, which `merian taxonomy build` made.
        to: The taxonomy of the newer version.
        plan: Where to write the plan, a table with tabs.
        decide: A table with the columns id or name, and decision: taken over into the plan.
        apply: A plan that was written before: carry it out.
        quiet: Print the answer and nothing else.
    """
    if apply is not None:
        _apply(apply, targets, from_, to, decide, quiet)
        return
    if not targets or from_ is None or to is None:
        raise InputError(
            "say what is to be migrated, from which version and to which: merian taxonomy migrate "
            "CATALOGUE --from OLD --to NEW; or carry out a plan with --apply PLAN"
        )
    from merian.cli.migrate_targets import target_of
    from merian.taxonomy.migration import write_plan

    if plan.exists() and not Path(f"{plan}.merian.json").exists():
        raise InputError(f"{plan}: is there and is no plan; name another file with --plan")
    with screen.working("Comparing", quiet) as job:
        found = [target_of(path) for path in targets]
        compared = _compared(from_, to)
        if compared.old.lock == compared.new.lock:
            raise InputError(f"{to}: is the same version as {from_}: {compared.new.lock}")
        moves = {}
        for target in found:
            job.tell(f"Looking at {target.path}")
            moves[str(target.path)] = _moves(compared, target)
        if decide is not None:
            moves = _with_decisions(compared, moves, decide)
        write_plan(plan, compared, moves, (from_.resolve(), to.resolve()))
    _print_plan(compared, found, moves)
    screen.say(f"\nNothing was changed. The plan is {plan}: read it, decide what is undecided in "
               "its last column, and carry it out:\n"
               f"  merian taxonomy migrate --apply {plan}", quiet)  # fmt: skip


def _compared(old: Path, new: Path) -> Comparison:
    from merian.taxonomy import Taxonomy
    from merian.taxonomy.versions import compare

    return compare(Taxonomy.open(old), Taxonomy.open(new))


def _moves(compared: Comparison, target: Target) -> list[Move]:
    from merian.taxonomy.migration import moves_of

    return moves_of(compared, target.uses(compared.old))


def _with_decisions(compared: Comparison, moves: Moves, path: Path) -> dict[str, list[Move]]:
    """Take decisions over from a table; one that fits no row is told."""
    from merian.taxonomy.migration import decided, read_decisions

    found = {target: list(each) for target, each in moves.items()}
    for asked, where in read_decisions(path):
        hits = 0
        for target, each in found.items():
            if asked.get("target", target) != target:
                continue
            for place, move in enumerate(each):
                use = move.use
                given = {"where": use.where, "id": use.id, "name": use.name, "rank": use.rank}
                if all(asked.get(k, v) == v for k, v in given.items()):
                    each[place] = decided(compared, move, asked["decision"], where)
                    hits += 1
        if not hits:
            screen.say(f"note: {where}: fits no name in use; passed over")
    return found


def _print_plan(compared: Comparison, targets: Sequence[Target], moves: Moves) -> None:
    from merian.taxonomy.versions import KINDS

    print(f"from {compared.old.lock}\nto   {compared.new.lock}\n")
    counts = compared.counts()
    used = [move for each in moves.values() for move in each]
    kinds = [*KINDS, "unknown"]
    rows = []
    for kind in kinds:
        own = [move for move in used if move.kind == kind]
        open_ = [move for move in own if move.state == "undecided"]
        if counts.get(kind) or own:
            rows.append((kind, counts.get(kind, 0), len(own), sum(m.use.records for m in own),
                         len(open_)))  # fmt: skip
    screen.print_table(("what became of it", "taxa", "names in use", "records", "undecided"), rows)
    for target in targets:
        each = moves[str(target.path)]
        records = sum(move.use.records for move in each)
        print(screen.printable(
            f"\n{target.path} ({target.kind}): {screen.counted(len(each), 'name')} on "
            f"{screen.counted(records, 'record')}"
        ))  # fmt: skip
        if not each:
            print(f"nothing in it is named in {compared.old.lock}")
        changed = [m for m in each if m.kind != "same" or m.decision]
        # The undecided first, then by the number of records.
        changed.sort(key=lambda m: (m.state != "undecided", -m.use.records, m.use.name))
        if changed:
            screen.print_table(
                ("name", "what became of it", "now", "records", "", "why"),
                [(m.use.name or m.use.id, m.kind, _now(compared, m), m.use.records, m.state, m.why)
                 for m in changed[:_SHOWN]],
            )  # fmt: skip
        if len(changed) > _SHOWN:
            print(f"and {len(changed) - _SHOWN:,} more, all in the plan")


def _now(compared: Comparison, move: Move) -> str:
    new = compared.new
    if move.node >= 0:
        return new.name_of(move.node)
    if move.decision:
        return "(stays)"
    if not move.candidates:
        return "?"
    return "? " + ", ".join(f"{new.name_of(n)} [{new.ids[n]}]" for n in move.candidates[:4])


def _apply(
    path: Path,
    targets: Sequence[Path],
    from_: Path | None,
    to: Path | None,
    decide: Path | None,
    quiet: bool,
) -> None:
    """Carry out a plan: first everything is checked, then one target after the other."""
    from merian.cli.migrate_targets import target_of
    from merian.taxonomy.migration import read_plan

    if decide is not None:
        raise InputError("--decide is for making a plan; what a plan says is decided in it")
    said = read_plan(path)
    if targets and sorted(map(str, targets)) != sorted(said.targets):
        raise InputError(
            f"{path}: is a plan for {', '.join(said.targets)}; give these or none, or make another"
        )
    compared = _compared(from_ or said.old, to or said.new)
    for lock, told in ((compared.old.lock, said.old_lock), (compared.new.lock, said.new_lock)):
        if lock != told:
            raise InputError(f"{path}: was made for {told}, and this is {lock}; make the plan anew")
    found = [target_of(Path(target)) for target in said.targets]
    done = [target.done(said.mark) for target in found]
    moves = _planned(compared, said, found, done)
    for target, before in zip(found, done, strict=True):
        if before:
            print(screen.printable(f"{target.path}: done before"))
            continue
        with screen.working(f"Migrating {target.path}", quiet) as job:
            each = moves[str(target.path)]
            text = target.apply(each, compared.old, compared.new, said.mark, job.step)
        print(screen.printable(f"{target.path}: {text}"))


def _planned(
    compared: Comparison, said: Plan, targets: Sequence[Target], done: Sequence[bool]
) -> dict[str, list[Move]]:
    """Return the moves of what is still to do, as decided, if they are those of the plan."""
    from merian.taxonomy.migration import decided, mark_of

    moves: dict[str, list[Move]] = {}
    for target, before in zip(targets, done, strict=True):
        own = str(target.path)
        planned = {key[1:]: value for key, value in said.decisions.items() if key[0] == own}
        if before:
            continue
        moves[own] = []
        for move in _moves(compared, target):
            use = move.use
            key = (use.where, use.id, use.name, use.rank)
            decision, line, records = planned.pop(key, ("", 0, ""))
            if records != str(use.records):
                raise InputError(
                    f"{own}: names {use.name or use.id!r} on {use.records:,} records, which the "
                    f"plan {said.path} does not list so: it has changed since. Make the plan anew"
                )
            moves[own].append(decided(compared, move, decision, f"{said.path}:{line}"))
        if planned:
            name = next(iter(planned))[2]
            raise InputError(
                f"{own}: no longer names {name!r}, which the plan {said.path} lists. Make the plan "
                "anew"
            )
    if not any(done) and mark_of(compared, moves) != said.mark:
        raise InputError(
            f"{said.path}: does not fit what would be done now: rows, numbers of records or the "
            "checklists have changed since it was made. Make the plan anew"
        )
    return moves

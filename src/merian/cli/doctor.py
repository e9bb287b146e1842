"""``merian doctor``: what this machine can do, and the one line that adds what is missing."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from merian.cli import screen

if TYPE_CHECKING:
    from merian.cli.machine import Package

_GIB = 1 << 30


def doctor(*, json: bool = False) -> None:
    """Say what this machine can do and what is missing.

    Args:
        json: Print JSON.
    """
    findings = _findings()
    if json:
        screen.print_json(findings)
        return
    screen.print_table(
        ("this machine", ""), [(k.replace("_", " "), v) for k, v in _lines(findings)]
    )
    print()
    rows = [
        (name, extra["for"], "installed" if extra["installed"] else "add it: " + extra["add"])
        for name, extra in findings["extras"].items()
    ]
    screen.print_table(("extra", "is for", ""), rows)
    print(f"\n{findings['verdict']}")


def _findings() -> dict[str, Any]:
    """Ask everything."""
    import platform
    import tempfile
    from pathlib import Path

    from merian import __version__
    from merian.cli import machine
    from merian.learn.shelf import encoders_on_shelf

    packages = machine.packages()
    findings: dict[str, Any] = {
        "merian": __version__,
        "python": platform.python_version(),
        "system": f"{platform.system()} {platform.release()} {platform.machine()}".strip(),
        "cores": machine.cores(),
        "memory_bytes": machine.memory(),
        "gpu": machine.accelerator(),
        "encoders": [*encoders_on_shelf()],
        "folders": {
            "this_folder": machine.folder(Path()),
            "temporary_folder": machine.folder(Path(tempfile.gettempdir())),
        },
        "packages": {p.name: p.version for p in packages if p.extra is None},
        "extras": {name: _extra(name, packages) for name in machine.EXTRAS},
    }
    findings["problems"] = _problems(findings, packages)
    findings["verdict"] = _verdict(findings)
    return findings


def _extra(name: str, packages: list[Package]) -> dict[str, Any]:
    """Return what is installed of an extra and the line that adds the rest."""
    from merian.cli import machine

    wanted = [p for p in packages if p.extra == name]
    return {
        "for": machine.EXTRAS[name],
        "installed": bool(wanted) and all(p.fits for p in wanted),
        "packages": {p.name: p.version for p in wanted},
        "add": f'python -m pip install "merian[{name}]"',
    }


def _problems(findings: dict[str, Any], packages: list[Package]) -> list[str]:
    """Return what stands in the way of this version's verbs."""
    found = [
        f"{p.name} {p.version or 'is missing'}: Merian needs {p.name}{p.bounds}; "
        f'python -m pip install "{p.name}{p.bounds}"'
        for p in packages
        if p.extra is None and not p.fits
    ]
    for role, folder in findings["folders"].items():
        if not folder["writable"]:
            found.append(f"{role.replace('_', ' ')} {folder['path']} cannot be written to")
        elif (folder["free_bytes"] or _GIB) < _GIB:
            found.append(f"less than 1 GiB is free in {folder['path']}")
    return found


def _verdict(findings: dict[str, Any]) -> str:
    """Return the last line."""
    if findings["problems"]:
        return "Not well: " + "; ".join(findings["problems"]) + "."
    well = "All is well: every verb of this version works here"
    if findings["extras"]["models"]["installed"]:
        return f"{well}."
    return f"{well}, but for those that need an extra: train, embed and adopt need models."


def _lines(findings: dict[str, Any]) -> list[tuple[str, str]]:
    """Return the table of the machine."""
    memory = findings["memory_bytes"]
    lines = [
        ("merian", findings["merian"]),
        ("python", findings["python"]),
        ("system", findings["system"]),
        ("cores", str(findings["cores"])),
        ("memory", f"{memory / _GIB:.1f} GiB" if memory else "unknown"),
        ("gpu", findings["gpu"] or "none found"),
        ("encoders that ship", ", ".join(findings["encoders"]) or "none in this version"),
    ]
    for role, folder in findings["folders"].items():
        state = "writable" if folder["writable"] else "NOT writable"
        free = folder["free_bytes"]
        space = "unknown" if free is None else f"{free / _GIB:.1f} GiB"
        lines.append((role, f"{folder['path']}: {state}, {space} free"))
    return lines

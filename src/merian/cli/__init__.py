"""The command line: ``merian VERB``, one file a verb in the order of the road.

A verb is thin: it turns words into arguments, calls a room and prints the answer. Rooms are
imported when a verb runs and not before, so that ``merian --help`` answers at once. What the
user can put right is told in one line and ends with 2; what only we can put right shows its
traceback and ends with 1.
"""

from __future__ import annotations

import errno
import os
import sys
import traceback
from collections.abc import Callable, Sequence
from typing import Any

from cyclopts import App, CycloptsError, Group, Parameter, UnusedCliTokensError

from merian import MerianError, __version__
from merian.cli import (
    adopt,
    agreement,
    audit,
    bench,
    calibrate,
    counts,
    demo,
    discover,
    doctor,
    embed,
    explain,
    export,
    formats,
    identify,
    import_,
    info,
    labels,
    learn,
    library,
    measure,
    pack,
    place,
    promise,
    publish,
    query,
    recipes,
    report,
    review,
    sample,
    screen,
    split,
    taxonomy,
    train,
    tray,
    world,
)

__all__ = ["app", "main"]

_HELP = """Merian names what you found and says how sure it is.

Start with: merian demo. More about one verb: merian VERB --help.
"""

# The verbs in the order in which a collection meets them. A new verb takes its place here.
_ROAD: dict[str, dict[str, Callable[..., Any] | App]] = {
    "Data": {
        "import": import_.import_files,
        "info": info.info,
        "query": query.query,
        "export": export.export,
        "formats": formats.formats,
        "report": report.report,
        "publish": publish.publish,
        "place": place.app,
    },
    "Names": {
        "taxonomy": taxonomy.app,
        "labels": labels.app,
        "library": library.app,
        "audit": audit.app,
        "split": split.split,
    },
    "Identify": {
        "identify": identify.identify,
        "explain": explain.explain,
        "promise": promise.app,
        "discover": discover.app,
        "counts": counts.counts,
        "sample": sample.sample,
    },
    "Correct": {
        "review": review.review,
        "learn": learn.learn,
    },
    "Measure": {
        "calibrate": calibrate.calibrate,
        "measure": measure.app,
        "tray": tray.tray,
        "agreement": agreement.agreement,
    },
    "Learn": {
        "train": train.train,
        "recipes": recipes.recipes,
        "adopt": adopt.adopt,
        "embed": embed.embed,
        "pack": pack.pack,
    },
    "Try it": {
        "world": world.app,
        "demo": demo.demo,
        "doctor": doctor.doctor,
        "bench": bench.bench,
    },
}

# Faults of the place and not of the program: no room, no right, no such drive.
_PLACE_FAULTS = {
    errno.EACCES, errno.EPERM, errno.ENOSPC, errno.EROFS, errno.EDQUOT, errno.ENOENT,
    errno.ENOTDIR, errno.EISDIR, errno.ENAMETOOLONG, errno.EIO,
}  # fmt: skip

_STOPPED = 130  # 128 + SIGINT, what a shell expects
_PIPE_CLOSED = 141  # 128 + SIGPIPE


def _build() -> App:
    """Put the verbs together."""
    whole = App(
        name="merian",
        help=_HELP,
        version=__version__,
        help_format="markdown",
        group_commands=Group("Merian itself", sort_key=99),
        # "--no-json" and "--empty-map" are words that no one needs to read.
        default_parameter=Parameter(negative=(), show_default=False),
        suppress_keyboard_interrupt=False,
        result_action="return_value",
    )
    place = 0
    for order, (title, verbs) in enumerate(_ROAD.items()):
        group = Group(title, sort_key=order)
        for name, verb in verbs.items():
            place += 1
            if isinstance(verb, App):
                verb.group, verb.sort_key = group, place
                whole.command(verb)
            else:
                whole.command(verb, name=name, group=group, sort_key=place)
    return whole


app = _build()


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command and return its exit code."""
    screen.speak_utf8()
    words = list(sys.argv[1:] if arguments is None else arguments)
    try:
        code = app(words, exit_on_error=False, print_error=False)
        sys.stdout.flush()
        return code if isinstance(code, int) else 0
    except MerianError as error:
        return _fail(str(error))
    except CycloptsError as error:
        verb = " ".join(("merian", *(error.command_chain or ())))
        return _fail(f"{_sentence(error)} See {verb} --help")
    except KeyboardInterrupt:
        return _stopped()
    except BrokenPipeError:
        # The reader has left (``| head``). Python would complain again when it closes stdout.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return _PIPE_CLOSED
    except OSError as error:
        if error.errno not in _PLACE_FAULTS:
            return _fault()
        return _fail(f"{error.filename or 'this machine'}: {error.strerror}")
    except Exception as error:
        # DuckDB answers Ctrl-C with an error of its own.
        return _stopped() if "query interrupted" in str(error).lower() else _fault()


def _stopped() -> int:
    """Say that the user stopped it."""
    print("merian: stopped; nothing was half written", file=sys.stderr)
    return _STOPPED


def _sentence(error: CycloptsError) -> str:
    """Return what was wrong with the words, as a sentence."""
    if isinstance(error, UnusedCliTokensError):
        left = " ".join(error.unused_tokens or ())
        return f"one word or more too many: {left}."
    text = str(error).strip()
    return text if text.endswith((".", "?", "!")) else f"{text}."


def _fail(text: str) -> int:
    """Tell in one line what the user can put right."""
    print(f"merian: error: {screen.printable(' '.join(text.split()))}", file=sys.stderr)
    return 2


def _fault() -> int:
    """Show a fault of ours with all that is needed to mend it."""
    traceback.print_exc()
    print(
        f"merian: this is a fault of Merian {__version__}, not of your data. Please open an issue"
        " in Merian's repository with the lines above and what `merian doctor` prints.",
        file=sys.stderr,
    )
    return 1

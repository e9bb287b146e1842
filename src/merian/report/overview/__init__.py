"""Reports: one page about a whole catalogue, a library, a run or a bench, with plots.

What is asked about is found out by what is in it (`what`); each kind has a module that gathers its
sections, and what several kinds have in common (composition, maps, how right answers are) stands in
modules of its own. All counting is done by DuckDB; only what is shown comes into memory.
"""

from __future__ import annotations

from merian.report.overview.what import Report, report_on

__all__ = ["Report", "report_on"]

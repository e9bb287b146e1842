"""``python -m merian``, for where the command itself is not on the path."""

import sys

from merian.cli import main

sys.exit(main())

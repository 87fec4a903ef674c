"""`python -m modelshelf`: the same as the command."""

import sys

from modelshelf.cli.main import main

sys.exit(main())

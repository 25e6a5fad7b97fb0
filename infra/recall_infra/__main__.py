"""`python -m recall_infra` is `recall-infra`."""

import sys

from recall_infra.cli import main

sys.exit(main())

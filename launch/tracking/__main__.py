"""`python -m launch.tracking sync RESULTS`: makes the study's mirrors equal to the ledger."""

import sys

from launch.tracking.sync import main

sys.exit(main())

"""`python -m launch.tracking sync RESULTS`: makes W&B equal to the ledger."""

import sys

from launch.tracking.sync import main

sys.exit(main())

"""`python -m prosepose_jax VERB` is `prosepose VERB`."""

import sys

from prosepose_jax.apps.main import main

sys.exit(main())

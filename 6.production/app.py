"""The scoring service, as any ASGI server runs it: ``uvicorn --app-dir 6.production app:app``."""

import logging
import os
import sys

from creditrisk.errors import CreditRiskError
from creditrisk.service.app import create
from creditrisk.service.telemetry.output import take_over

os.umask(0o077)  # what is kept of applicants is this user's alone
take_over()

try:
    app = create()
except CreditRiskError as error:
    logging.getLogger("creditrisk.service").error("%s", error)
    sys.exit(1)

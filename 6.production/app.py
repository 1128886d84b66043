"""The scoring service, as any ASGI server runs it: ``uvicorn --app-dir 6.production app:app``."""

import os
import sys

from creditrisk.errors import CreditRiskError
from creditrisk.service.app import create

os.umask(0o077)  # what is kept of applicants is this user's alone

try:
    app = create()
except CreditRiskError as error:
    sys.exit(f"error: {error}")

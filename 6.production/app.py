"""The scoring service, as any ASGI server runs it: ``uvicorn --app-dir 6.production app:app``."""

import sys

from creditrisk.errors import CreditRiskError
from creditrisk.service.app import create

try:
    app = create()
except CreditRiskError as error:
    sys.exit(f"error: {error}")

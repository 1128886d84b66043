"""The scoring service, as any ASGI server runs it: ``uvicorn --app-dir 6.production app:app``."""

from creditrisk.service.app import create

app = create()

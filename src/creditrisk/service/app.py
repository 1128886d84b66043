"""The FastAPI application: every route but the hot one, and the document that describes them all."""

from __future__ import annotations

from fastapi import FastAPI

from creditrisk.paths import Project
from creditrisk.service.http.border import Border
from creditrisk.service.http.front import Front
from creditrisk.service.http.handlers import install
from creditrisk.service.routes import (
    applicants,
    batch,
    contract,
    decisions,
    docs,
    files,
    health,
    metrics,
    model,
    models,
    score,
    verdicts,
)
from creditrisk.service.service import Service
from creditrisk.service.settings import ServiceSettings

ROUTERS = (
    score.router,
    batch.router,
    files.router,
    decisions.router,
    verdicts.router,
    applicants.router,
    contract.router,
    model.router,
    models.router,
    health.router,
    metrics.router,
    docs.router,
)


def create(settings: ServiceSettings | None = None, project: Project | None = None) -> Front:
    """Make one worker's application; nothing is opened before its lifespan begins.

    Raises:
        ServiceError: a setting is wrong.
    """
    project = project or Project.find()
    service = Service(settings or ServiceSettings.from_environment(project), project)

    app = FastAPI(
        title="Credit risk", version="1", openapi_url=None, docs_url=None, redoc_url=None, redirect_slashes=False
    )
    app.state.service = service
    install(app)
    for router in ROUTERS:
        app.include_router(router)
    routes = [route for router in ROUTERS for route in router.routes]
    return Front(Border(app, service, routes), service)

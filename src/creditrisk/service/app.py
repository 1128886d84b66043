"""The FastAPI application: every route but the hot one, and the document that describes them all."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator

from fastapi import FastAPI, Request, Response

from creditrisk.paths import Project
from creditrisk.service.front import Front
from creditrisk.service.problem import MEDIA_TYPE, Problem
from creditrisk.service.routes import applicants, decisions, files, health, models, verdicts
from creditrisk.service.service import Service
from creditrisk.service.settings import ServiceSettings

ROUTERS = (health.router, files.router, models.router, decisions.router, verdicts.router, applicants.router)


def create(settings: ServiceSettings | None = None, project: Project | None = None) -> Front:
    """Make one worker's application; nothing is opened before its lifespan begins.

    Raises:
        ServiceError: a setting is wrong.
    """
    project = project or Project.find()
    service = Service(settings or ServiceSettings.from_environment(project), project)

    @contextlib.asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        await service.start()
        yield
        await service.stop()

    app = FastAPI(title="Credit risk", version="1", lifespan=lifespan, docs_url=None, redoc_url=None)
    app.state.service = service
    app.add_exception_handler(Problem, _problem)
    for router in ROUTERS:
        app.include_router(router)
    return Front(app, service)


async def _problem(_: Request, error: Exception) -> Response:
    assert isinstance(error, Problem)
    return Response(error.body(), error.status, error.headers, MEDIA_TYPE)

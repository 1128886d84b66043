"""What an empty endpoint costs: FastAPI checks the thirty fields and the answer, and there is no model behind it."""

from typing import Any, Literal

from fastapi import FastAPI
from pydantic import BaseModel, create_model

Value = Literal["v0", "v1", "v2", "v3", "v4", "v5", "v6", "v7"]
fields: dict[str, Any] = {f"n{i}": (float | None, None) for i in range(20)}
fields |= {f"c{i}": (Value | None, None) for i in range(10)}
Application: Any = create_model("Application", **fields)


class Request(BaseModel):
    """What comes."""

    application: Application


class Reason(BaseModel):
    """Why."""

    characteristic: str
    text: str
    contribution: float


class Answer(BaseModel):
    """What goes."""

    decision_id: str
    pd: float
    score: int
    band: str
    decision: Literal["approve", "refer", "decline"]
    reasons: list[Reason]


app = FastAPI()


@app.get("/ready")
async def ready() -> dict[str, str]:
    """The process answers."""
    return {"status": "ready"}


@app.post("/v1/score")
async def score(request: Request) -> Answer:
    """The same for everyone."""
    reasons = [Reason(characteristic=f"ratio{i}", text=f"ratio{i} is unusual", contribution=0.5) for i in range(4)]
    return Answer(decision_id="0" * 36, pd=0.1, score=600, band="C", decision="approve", reasons=reasons)

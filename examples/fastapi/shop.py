"""A shop whose money moves only for people who proved who they are a moment ago."""

import os
import pathlib

from countersign_guard import Session
from countersign_guard.asgi import Guard, require_elevated_claim
from fastapi import Depends, FastAPI, Request


def file(name):
    """The text of the file that a variable names, or None."""
    path = os.environ.get(name)
    return pathlib.Path(path).read_text("ascii").strip() if path else None


guard = Guard(
    issuer=os.environ["COUNTERSIGN_ISSUER"], url=os.environ.get("COUNTERSIGN_URL"), ca=file("COUNTERSIGN_CA_FILE"),
    application=(os.environ["COUNTERSIGN_APPLICATION"], file("COUNTERSIGN_SECRET_FILE")),
    mode=os.environ.get("COUNTERSIGN_MODE", "feed"))
app = FastAPI(openapi_url=None)


@app.get("/", dependencies=[Depends(guard.public)])
async def front():
    return {"shop": "open"}


@app.get("/profile")
async def profile(session: Session = Depends(guard.session)):
    return {"name": session.subject, "groups": session.groups}


@app.post("/payment/transfer", dependencies=[Depends(guard.elevated)])
async def transfer():
    return {"status": "transfer initiated"}


@app.delete("/publisher/earnings")
@require_elevated_claim("publisher", True)
async def withdraw(request: Request):
    return {"withdrawn": True}

guard.protect(app)

"""An app of the SDK's FastAPI extension: a topic, and an actor with a reminder and a timer."""

import datetime
import sys
from contextlib import asynccontextmanager

import uvicorn
from counter import Counter
from dapr.actor.runtime.config import ActorReentrancyConfig, ActorRuntimeConfig, ActorTypeConfig
from dapr.actor.runtime.runtime import ActorRuntime
from dapr.ext.fastapi import DaprActor, DaprApp
from fastapi import FastAPI
from told import tell


@asynccontextmanager
async def hosting(app):
    await DaprActor(app).register_actor(Counter)
    yield


app = FastAPI(lifespan=hosting)
config = ActorRuntimeConfig(actor_idle_timeout=datetime.timedelta(seconds=60))
config.update_actor_type_configs([ActorTypeConfig(actor_type=Counter.__name__, reentrancy=ActorReentrancyConfig(enabled=True))])
ActorRuntime.set_actor_config(config)


@DaprApp(app).subscribe(pubsub="pubsub", topic="fast")
def event(body: dict):
    tell("event", [body["data"], body["type"]])


@app.post("/hello")
def hello(body: dict):
    return {"hi": body}


uvicorn.run(app, host="127.0.0.1", port=int(sys.argv[1]), log_level="warning")

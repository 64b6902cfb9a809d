"""The SDK's actor client, and what else reaches an HTTP app."""

import asyncio
import json

from counter import CounterInterface
from dapr.actor import ActorId, ActorProxy
from dapr.clients import DaprClient
from told import tell


async def attempt(step, call):
    try:
        tell(step, await call)
    except Exception as error:  # noqa: BLE001
        tell(step, {"error": type(error).__name__, "text": str(error)})


async def main():
    def counter(name):
        return ActorProxy.create("Counter", ActorId(name), CounterInterface)

    await attempt("add", counter("1").add(2))
    await attempt("add again", counter("1").add(3))
    await attempt("fail", counter("1").fail())
    await attempt("many", asyncio.gather(*[counter(f"many-{n}").add(n) for n in range(30)]))
    await counter("1").schedule()
    seen = {}
    for _ in range(600):
        seen = await counter("1").seen()
        if seen["reminded"] == 2 and seen["timed"] == 2:
            break
        await asyncio.sleep(0.05)
    tell("schedule", seen)


asyncio.run(main())
with DaprClient() as client:
    client.publish_event("pubsub", "fast", data=json.dumps({"x": 1}), data_content_type="application/json")
    tell("hello", client.invoke_method("py", "hello", data=json.dumps({"a": 1}), http_verb="POST").json())

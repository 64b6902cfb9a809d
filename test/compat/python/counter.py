"""The actor that `http_app.py` hosts and `actors.py` calls."""

import datetime

from dapr.actor import Actor, ActorInterface, Remindable, actormethod

second = datetime.timedelta(seconds=1)


class CounterInterface(ActorInterface):
    @actormethod(name="add")
    async def add(self, n: int) -> int: ...

    @actormethod(name="seen")
    async def seen(self) -> object: ...

    @actormethod(name="fail")
    async def fail(self) -> None: ...

    @actormethod(name="schedule")
    async def schedule(self) -> None: ...


class Counter(Actor, CounterInterface, Remindable):
    async def add(self, n: int) -> int:
        return await self._count("count", n)

    async def seen(self) -> object:
        return {name: (await self._state_manager.try_get_state(name))[1] for name in ("count", "reminded", "timed", "data")}

    async def fail(self) -> None:
        raise RuntimeError("the actor failed")

    async def schedule(self) -> None:
        await self.register_reminder("wake", b"reminder data", second * 0, second)
        await self.register_timer("tick", self.on_timer, "timer data", second * 0, second)

    async def on_timer(self, data) -> None:
        if await self._count("timed", 1) == 2:
            await self.unregister_timer("tick")

    async def receive_reminder(self, name, state, due_time, period, ttl=None) -> None:
        await self._state_manager.set_state("data", state.decode())
        if await self._count("reminded", 1) == 2:
            await self.unregister_reminder(name)

    async def _count(self, name: str, n: int) -> int:
        known, value = await self._state_manager.try_get_state(name)
        await self._state_manager.set_state(name, (value if known else 0) + n)
        await self._state_manager.save_state()
        return (value if known else 0) + n

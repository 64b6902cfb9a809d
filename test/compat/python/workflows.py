"""The SDK's workflows: worker and client in one process."""

import time
from datetime import timedelta

import dapr.ext.workflow as wf
from told import attempt

runtime = wf.WorkflowRuntime()
tries = {}


@runtime.activity(name="add")
def add(_ctx, value):
    return value + 1


@runtime.activity(name="flaky")
def flaky(_ctx, key):
    tries[key] = tries.get(key, 0) + 1
    if tries[key] < 3:
        raise RuntimeError("not yet")
    return tries[key]


@runtime.activity(name="lineage")
def lineage(ctx, _input):
    return [found.name for found in ctx.get_propagated_history().get_workflows()]


@runtime.workflow(name="chain")
def chain(ctx, value):
    for _ in range(5):
        value = yield ctx.call_activity(add, input=value)
    return value


@runtime.workflow(name="fan")
def fan(ctx, width):
    results = yield wf.when_all([ctx.call_activity(add, input=n) for n in range(width)])
    return sum(results)


@runtime.workflow(name="race")
def race(ctx, _input):
    event = ctx.wait_for_external_event("approve")
    timer = ctx.create_timer(timedelta(seconds=2))
    winner = yield wf.when_any([event, timer])
    return "timeout" if winner == timer else event.get_result()


@runtime.workflow(name="parent")
def parent(ctx, value):
    result = yield ctx.call_child_workflow(chain, input=value)
    ctx.set_custom_status("child done")
    return result * 10


@runtime.workflow(name="retrying")
def retrying(ctx, key):
    policy = wf.RetryPolicy(first_retry_interval=timedelta(milliseconds=50), max_number_of_attempts=5)
    result = yield ctx.call_activity(flaky, input=key, retry_policy=policy)
    return result


@runtime.workflow(name="failing")
def failing(ctx, _input):
    yield ctx.call_activity(flaky, input="never")


@runtime.workflow(name="counting")
def counting(ctx, n):
    if n < 3:
        ctx.continue_as_new(n + 1)
        return None
    return n


@runtime.workflow(name="sleeping")
def sleeping(ctx, _input):
    yield ctx.create_timer(timedelta(hours=1))


@runtime.workflow(name="telling")
def telling(ctx, _input):
    yield ctx.call_activity(add, input=1)
    told = yield ctx.call_activity(lineage, propagation=wf.PropagationScope.OWN_HISTORY)
    return told


runtime.start()
client = wf.DaprWorkflowClient()


def run(workflow, value=None, instance_id=None):
    instance = client.schedule_new_workflow(workflow, input=value, instance_id=instance_id)
    state = client.wait_for_workflow_completion(instance, timeout_in_seconds=60)
    return [state.runtime_status.name, state.serialized_output, state.serialized_custom_status]


def approve():
    instance = client.schedule_new_workflow(race)
    client.wait_for_workflow_start(instance)
    client.raise_workflow_event(instance, "approve", data={"by": "me"})
    return client.wait_for_workflow_completion(instance, timeout_in_seconds=60).serialized_output


def pause():
    client.schedule_new_workflow(sleeping, instance_id="paused")
    client.wait_for_workflow_start("paused")
    seen = []
    for change, wanted in ((client.pause_workflow, "SUSPENDED"), (client.resume_workflow, "RUNNING")):
        change("paused")
        for _ in range(600):
            if client.get_workflow_state("paused").runtime_status.name == wanted:
                seen.append(wanted)
                break
            time.sleep(0.05)
    client.terminate_workflow("paused", output="bye")
    seen.append(client.wait_for_workflow_completion("paused", timeout_in_seconds=60).serialized_output)
    client.purge_workflow("paused")
    seen.append(client.get_workflow_state("paused"))
    return seen


def twice():
    client.schedule_new_workflow(sleeping, instance_id="twice")
    try:
        client.schedule_new_workflow(sleeping, instance_id="twice")
    finally:
        client.terminate_workflow("twice")


def rerun():
    instance = client.rerun_workflow_from_event("chain-1", 3, new_instance_id="chain-2", input=100)
    return client.wait_for_workflow_completion(instance, timeout_in_seconds=60).serialized_output


attempt("chain", lambda: run(chain, 1, "chain-1"))
attempt("history", lambda: len(client.get_workflow_history("chain-1")) > 10)
attempt("list", lambda: "chain-1" in list(client.iter_workflow_instance_ids()))
attempt("rerun", rerun)
attempt("fan", lambda: run(fan, 20))
attempt("timeout", lambda: run(race))
attempt("approve", approve)
attempt("parent", lambda: run(parent, 1))
attempt("retrying", lambda: run(retrying, "some"))
attempt("failing", lambda: run(failing)[0])
attempt("counting", lambda: run(counting, 0))
attempt("telling", lambda: run(telling))
attempt("pause", pause)
attempt("twice", twice)
attempt("nobody", lambda: client.get_workflow_state("nobody"))
runtime.shutdown()

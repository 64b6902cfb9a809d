"""An app of the SDK's gRPC server: methods, topics with rules and dead letters, an input binding, a job."""

import sys

from dapr.clients.grpc._response import TopicEventResponse
from dapr.ext.grpc import App, InvokeMethodRequest, InvokeMethodResponse, Rule
from told import tell

app = App()
again = 0
ticks = 0


@app.method(name="echo")
def echo(request: InvokeMethodRequest) -> InvokeMethodResponse:
    mine = request.metadata["x-mine"][0]
    return InvokeMethodResponse(data=b"got " + request.data, content_type=request.content_type, headers=(("x-back", mine),))


@app.method(name="fail")
def fail(_request):
    raise ValueError("the method failed")


@app.subscribe(pubsub_name="pubsub", topic="orders")
def orders(event):
    tell("event", {"topic": event.Subject(), "data": event.data.decode(), "type": event.content_type})
    return TopicEventResponse("success")


@app.subscribe(pubsub_name="pubsub", topic="again")
def retried(event):
    global again
    again += 1
    tell("again", again)
    return TopicEventResponse("retry" if again < 3 else "success")


@app.subscribe(pubsub_name="pubsub", topic="bad", dead_letter_topic="dead")
def bad(_event):
    return TopicEventResponse("drop")


@app.subscribe(pubsub_name="pubsub", topic="dead")
def dead(event):
    tell("dead", event.data.decode())


@app.subscribe(pubsub_name="pubsub", topic="ruled", rule=Rule('event.type == "special"', 1))
def special(event):
    tell("special", event.data.decode())


@app.subscribe(pubsub_name="pubsub", topic="ruled")
def ordinary(event):
    tell("ordinary", event.data.decode())


@app.binding("tick")
def tick(_request):
    global ticks
    ticks += 1
    if ticks == 1:
        tell("tick", "")


@app.job_event("report")
def report(event):
    tell("job", event.get_data_as_string()[-7:])


app.run(int(sys.argv[1]))

"""The SDK's client over every building block."""

import json
import time

from dapr.clients import ConstantFailurePolicy, DaprClient, Job
from dapr.clients.grpc._crypto import DecryptOptions, EncryptOptions
from dapr.clients.grpc._request import TransactionalStateOperation, TransactionOperationType
from dapr.clients.grpc._response import TopicEventResponse
from dapr.clients.grpc._state import Concurrency, Consistency, StateItem, StateOptions
from google.protobuf.any_pb2 import Any
from google.protobuf.wrappers_pb2 import StringValue
from told import attempt

client = DaprClient()
client.wait(30)
first_write = StateOptions(concurrency=Concurrency.first_write, consistency=Consistency.strong)


def invoke():
    answer = client.invoke_method("py", "echo", data=b"hi", content_type="text/plain", metadata=(("x-mine", "1"),))
    return [answer.text(), answer.headers["x-back"]]


def stale():
    client.save_state("statestore", "etag", "1")
    etag = client.get_state("statestore", "etag").etag
    client.save_state("statestore", "etag", "2", etag=etag, options=first_write)
    client.save_state("statestore", "etag", "3", etag=etag, options=first_write)


def bulk():
    client.save_bulk_state("statestore", [StateItem(key="a", value="1"), StateItem(key="b", value="2")])
    items = client.get_bulk_state("statestore", ["a", "b", "c"]).items
    return {item.key: item.data.decode() for item in items}


def transaction():
    upsert = TransactionalStateOperation(key="a", data="11")
    delete = TransactionalStateOperation(operation_type=TransactionOperationType.delete, key="b")
    client.execute_state_transaction("statestore", [upsert, delete])
    return [client.get_state("statestore", key).data.decode() for key in ("a", "b")]


def query():
    items = [
        StateItem(key=f"q{i}", value=json.dumps({"n": i, "odd": i % 2 == 1}), metadata={"contentType": "application/json"})
        for i in range(4)
    ]
    client.save_bulk_state("statestore", items)
    wanted = {"filter": {"EQ": {"odd": True}}, "sort": [{"key": "n", "order": "DESC"}]}
    return [item.key for item in client.query_state("statestore", json.dumps(wanted)).results]


def publish():
    def send(topic, data, content_type="application/json", **more):
        client.publish_event("pubsub", topic, data=data, data_content_type=content_type, **more)

    send("orders", json.dumps({"order": 1}))
    send("again", "once more", "text/plain")
    send("bad", "rotten", "text/plain")
    special = {"specversion": "1.0", "type": "special", "source": "s", "id": "1", "data": {"z": 1}}
    send("ruled", json.dumps(special), "application/cloudevents+json")
    send("ruled", "plain", "text/plain")
    failed = client.publish_events("pubsub", "orders", data=[json.dumps({"order": n}) for n in (2, 3)], data_content_type="application/json")
    return len(failed.failed_entries)


def stream():
    subscription = client.subscribe(pubsub_name="pubsub", topic="stream")
    time.sleep(0.2)
    client.publish_event("pubsub", "stream", data=json.dumps({"s": 1}), data_content_type="application/json")
    message = subscription.next_message()
    subscription.respond_retry(message)
    message = subscription.next_message()
    subscription.respond_success(message)
    subscription.close()
    return [message.data(), message.topic(), message.type(), message.source()]


def handler():
    got = []

    def on_message(message):
        got.append(message.data())
        return TopicEventResponse("success")

    close = client.subscribe_with_handler(pubsub_name="pubsub", topic="handled", handler_fn=on_message)
    time.sleep(0.2)
    for n in range(5):
        client.publish_event("pubsub", "handled", data=str(n))
    for _ in range(600):
        if len(got) == 5:
            break
        time.sleep(0.05)
    close()
    return sorted(got)


def binding():
    client.invoke_binding("files", "create", b"content", {"fileName": "f.txt"})
    return client.invoke_binding("files", "get", "", {"fileName": "f.txt"}).text()


def lock():
    with client.try_lock("lockstore", "resource", "me", 30) as mine:
        return [mine.success, client.try_lock("lockstore", "resource", "you", 30).success]


def crypto():
    text = b"secret text" * 10_000
    encrypt = EncryptOptions(component_name="keys", key_name="rsa.pem", key_wrap_algorithm="RSA")
    encrypted = client.encrypt(data=text, options=encrypt).read()
    decrypt = DecryptOptions(component_name="keys", key_name="rsa.pem")
    return [encrypted != text, client.decrypt(data=encrypted, options=decrypt).read() == text]


def job():
    data = Any()
    data.Pack(StringValue(value="payload"))
    policy = ConstantFailurePolicy(max_retries=2, interval_seconds=1)
    client.schedule_job(Job(name="report", due_time="1s", data=data, failure_policy=policy))
    found = client.get_job("report")
    client.schedule_job(Job(name="hourly", schedule="@every 1h"))
    client.delete_job("hourly")
    return [found.name, found.due_time]


def metadata():
    client.set_metadata("who", "me")
    found = client.get_metadata()
    return [found.application_id, found.extended_metadata["who"], sorted(c.name for c in found.registered_components)]


attempt("metadata", metadata)
attempt("invoke", invoke)
attempt("invoke a failing method", lambda: client.invoke_method("py", "fail", data=b""))
attempt("invoke nobody", lambda: client.invoke_method("nobody", "x", data=b""))
attempt("stale etag", stale)
attempt("bulk state", bulk)
attempt("transaction", transaction)
attempt("query", query)
attempt("unknown store", lambda: client.get_state("nostore", "k").data)
attempt("publish", publish)
attempt("publish to nobody", lambda: client.publish_event("nobody", "t", data="x"))
attempt("stream", stream)
attempt("handler", handler)
attempt("binding", binding)
attempt("secret", lambda: dict(client.get_secret("secrets", "db:password").secret))
attempt("secrets", lambda: dict(client.get_bulk_secret("secrets").secrets))
attempt("lock", lock)
attempt("crypto", crypto)
attempt("job", job)

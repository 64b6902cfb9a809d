"""What the scripts of this folder tell the test that started them: a line of JSON for each step."""

import json


def tell(step, value):
    print(json.dumps({"step": step, "value": value}), flush=True)


def attempt(step, call):
    """Tells what the call answers, or how it fails."""
    try:
        tell(step, call())
    except Exception as error:  # noqa: BLE001 - every kind of failure is an answer here
        tell(step, {"error": type(error).__name__, "text": str(error)})

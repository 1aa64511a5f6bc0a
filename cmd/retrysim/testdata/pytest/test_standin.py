"""The tests of test_weather.py can fail: a client that does not wait is found out."""

import json, urllib.request
from standin import openai
from test_weather import weather


def test_a_client_that_does_not_wait_is_found_out(weather):
    client = openai.OpenAI(base_url=weather["hour"] + "/v1", api_key="none", patient=False)
    answer = client.chat.completions.create(model="m", messages=[{"role": "user", "content": "hi"}])
    assert answer.choices[0].message.content == "Hello"
    report = json.load(urllib.request.urlopen(weather["hour"] + "/report"))
    assert [f["rule"] for f in report["findings"] if f["level"] == "violation"] == ["early-retry"]

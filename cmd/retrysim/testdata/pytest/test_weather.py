import json, subprocess, urllib.request
import openai, pytest

@pytest.fixture(scope="session")
def weather():
    server = subprocess.Popen(["retrysim", "serve", "testdata"], stdout=subprocess.PIPE, text=True)
    yield {s["name"]: s["url"] for s in json.loads(server.stdout.readline())["scripts"]}
    server.terminate()

def test_waits_out_a_rate_limit(weather):  # testdata/limited.retry: 429 retry-after-ms=20 x2; ok "Hello"
    client = openai.OpenAI(base_url=weather["limited"] + "/v1", api_key="none")
    answer = client.chat.completions.create(model="m", messages=[{"role": "user", "content": "hi"}])
    assert answer.choices[0].message.content == "Hello"
    report = json.load(urllib.request.urlopen(weather["limited"] + "/report"))
    assert (report["attempts"], report["findings"]) == (3, [])

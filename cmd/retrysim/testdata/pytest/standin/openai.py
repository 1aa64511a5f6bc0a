"""What test_weather.py uses of the openai package, over the standard library:
for machines where the package cannot be installed."""

import json
import time
import urllib.error
import urllib.request
from types import SimpleNamespace


class OpenAI:
    """A client that retries twice, after the time that it is asked to wait
    unless it is impatient."""

    def __init__(self, *, base_url, api_key, max_retries=2, patient=True):
        self.base_url, self.api_key, self.max_retries, self.patient = base_url, api_key, max_retries, patient
        self.chat = SimpleNamespace(completions=SimpleNamespace(create=self._create))

    def _create(self, **fields):
        request = urllib.request.Request(
            self.base_url + "/chat/completions",
            json.dumps(fields).encode(),
            {"Authorization": "Bearer " + self.api_key, "Content-Type": "application/json"},
        )
        for left in reversed(range(self.max_retries + 1)):
            try:
                with urllib.request.urlopen(request, timeout=60) as answer:
                    return json.load(answer, object_hook=lambda o: SimpleNamespace(**o))
            except urllib.error.HTTPError as refusal:
                refusal.close()
                if not left or refusal.code != 429 and refusal.code < 500:
                    raise
                if self.patient:
                    time.sleep(asked(refusal.headers))


def asked(headers):
    """Seconds to wait."""
    if "Retry-After-Ms" in headers:
        return float(headers["Retry-After-Ms"]) / 1000
    return float(headers.get("Retry-After", 0.5))

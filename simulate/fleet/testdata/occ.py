"""The model of contention of the AWS Architecture Blog, "Exponential Backoff And
Jitter" (2015), as its simulator has it: one heap of (time, message), a message
for each way through the network, clients and a server as objects.

usage: occ.py CLIENTS RUNS; prints the number of events and of write calls."""

import heapq
import random
import sys


class Network:
    def __init__(self, mean, sd):
        self.mean, self.sd = mean, sd

    def delay(self):
        return abs(random.normalvariate(self.mean, self.sd))


class Message:
    def __init__(self, to, answer_to, kind, payload=None):
        self.to, self.answer_to, self.kind, self.payload = to, answer_to, kind, payload


class Row:
    def __init__(self, net):
        self.net, self.version = net, 0

    def receive(self, time, m):
        if m.kind == "read":
            answer = Message(m.answer_to, self, "version", self.version)
        elif m.payload == self.version:
            self.version += 1
            answer = Message(m.answer_to, self, "written", True)
        else:
            answer = Message(m.answer_to, self, "written", False)
        return [(time + self.net.delay(), answer)]


class Client:
    def __init__(self, net, row):
        self.net, self.row = net, row
        self.attempt, self.calls = 0, 0

    def start(self, time):
        return [(time + self.net.delay(), Message(self.row, self, "read"))]

    def receive(self, time, m):
        if m.kind == "version":
            self.calls += 1
            return [(time + self.net.delay(), Message(self.row, self, "write", m.payload))]
        if m.payload:
            return []
        self.attempt += 1
        backoff = random.uniform(0, min(2000, 5 * 2**self.attempt))
        return [(time + backoff + self.net.delay(), Message(self.row, self, "read"))]


def run(clients):
    net = Network(10, 2)
    row = Row(net)
    queue, order = [], 0
    everybody = [Client(net, row) for _ in range(clients)]
    for c in everybody:
        for time, m in c.start(0):
            heapq.heappush(queue, (time, order, m))
            order += 1
    events = 0
    while queue:
        time, _, m = heapq.heappop(queue)
        events += 1
        for when, answer in m.to.receive(time, m):
            heapq.heappush(queue, (when, order, answer))
            order += 1
    return events, sum(c.calls for c in everybody)


if __name__ == "__main__":
    random.seed(1)
    events = calls = 0
    for _ in range(int(sys.argv[2])):
        e, c = run(int(sys.argv[1]))
        events, calls = events + e, calls + c
    print(events, calls)

"""A small client of the Wyoming protocol."""
import json
import socket


class Client:
    def __init__(self, place):
        self.socket = socket.create_connection(place)  # no time limit but that of ctest
        self.got = b""

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.socket.close()

    def send(self, type, data=None, payload=b"", apart=False):
        """apart: the data stand behind the header, as the official package has it."""
        behind = json.dumps(data).encode() if apart and data else b""
        head = {"type": type, "data_length": len(behind), "payload_length": len(payload)}
        if data and not apart:
            head["data"] = data
        self.socket.sendall(json.dumps(head).encode() + b"\n" + behind + payload)

    def receive(self):
        """The next event: type and data."""
        while b"\n" not in self.got:
            more = self.socket.recv(65536)
            if not more:
                raise ConnectionError("the server closed the connection")
            self.got += more
        line, self.got = self.got.split(b"\n", 1)
        event = json.loads(line)
        return event["type"], event["data"]

    def until(self, type):
        """Events up to the first of a type."""
        events = [self.receive()]
        while events[-1][0] != type:
            events.append(self.receive())
        return events

    def say(self, pcm: bytes, rate=16000, size=2048, apart=False):
        format = {"rate": rate, "width": 2, "channels": 1}
        self.send("audio-start", format, apart=apart)
        for i in range(0, len(pcm), size):
            self.send("audio-chunk", format, pcm[i:i + size], apart=apart)
        self.send("audio-stop", apart=apart)

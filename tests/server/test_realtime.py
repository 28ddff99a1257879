#!/usr/bin/env python3
"""Speech to text over /v1/realtime by OpenAI's events: turns found or committed, deltas, what clients do wrong."""
import base64
import sys
import threading
import unittest

from microphone import QUICK, SENTENCES, SPOKEN, pcm, pieces, silence, until_idle
from serving import Server
from websocket import BINARY, TEXT, Client, Refused

PATH = "/v1/realtime?intent=transcription"
RATE = 24000
TEXTS = "conversation.item.input_audio_transcription."


class Session:
    """A connection whose first event was read."""

    def __init__(self, server, path=PATH, **headers):
        self.client = Client(server, path, **headers)
        self.created = self.event("session.created")

    def send(self, type, **fields):
        self.client.send(type=type, **fields)

    def update(self, **audio_input):
        self.send("session.update", session={"type": "transcription", "audio": {"input": audio_input}})
        return self.event("session.updated")["session"]["audio"]["input"]

    def say(self, data: bytes, size=4800):
        for piece in pieces(data, size):
            self.send("input_audio_buffer.append", audio=base64.b64encode(piece).decode())

    def events(self, last, n=1):
        """All events up to the n-th of type `last`."""
        got = []
        while n:
            got.append(self.client.receive())
            n -= got[-1]["type"] == last
        return got

    def event(self, type):
        """The next event, which must be of this type."""
        event = self.client.receive()
        assert event["type"] == type, event
        return event

    def error(self):
        return self.event("error")["error"]


def of(events, type):
    return [e for e in events if e["type"] == type]


class Realtime(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.server = cls.enterClassContext(Server("digits", "--jobs", "2", "--threads", "1"))

    def session(self, **arguments):
        session = Session(self.server, **arguments)
        self.addCleanup(session.client.socket.close)
        return session

    # ---- Sessions ----

    def test_a_session_tells_its_settings(self):
        s = self.session()
        session = s.created["session"]
        self.assertEqual((session["type"], session["object"]), ("transcription", "realtime.transcription_session"))
        audio = session["audio"]["input"]
        self.assertEqual(audio["format"], {"type": "audio/pcm", "rate": 24000})
        self.assertEqual(audio["turn_detection"], {"type": "server_vad", "threshold": 0.5, "prefix_padding_ms": 300,
                                                   "silence_duration_ms": 500})
        audio = s.update(turn_detection={"type": "server_vad", "silence_duration_ms": 800, "prefix_padding_ms": 0},
                         transcription={"model": "digits", "language": "en", "prompt": "one"},
                         noise_reduction={"type": "near_field"})
        self.assertEqual(audio["turn_detection"], {"type": "server_vad", "threshold": 0.5, "prefix_padding_ms": 0,
                                                   "silence_duration_ms": 800})
        self.assertEqual(audio["transcription"], {"model": "digits", "language": "en", "prompt": "one"})
        audio = s.update(turn_detection=None)  # the rest stays
        self.assertIsNone(audio["turn_detection"])
        self.assertEqual(audio["transcription"]["language"], "en")

    def test_a_server_that_stops_tells_what_was_said(self):
        for turns in None, {"type": "server_vad"}:
            with Server("digits", "--jobs", "2", "--threads", "1", "--grace", "600") as server:
                s = Session(server)
                s.update(turn_detection=turns)
                s.say(pcm(RATE))
                s.send("none")
                events = s.events("error")  # all of it is heard
                server.process.terminate()
                with self.assertRaises(ConnectionError) as closed:
                    while True:
                        events.append(s.client.receive())
                self.assertEqual(closed.exception.args, ("the server is stopping", 1001))
                texts = of(events, TEXTS + "completed")
                self.assertEqual(" ".join(e["transcript"] for e in texts), SPOKEN)
                self.assertEqual([e["item_id"] for e in of(events, "input_audio_buffer.committed")], [e["item_id"] for e in texts])

    def test_settings_that_cannot_be_are_refused_by_name(self):
        s = self.session()
        cases = [({"turn_detection": {"type": "semantic_vad"}}, "session.audio.input.turn_detection.type"),
                 ({"turn_detection": 3}, "session.audio.input.turn_detection"),
                 ({"turn_detection": {"type": "server_vad", "threshold": 2}}, "turn_detection.threshold"),
                 ({"turn_detection": {"type": "server_vad", "silence_duration_ms": "x"}}, "silence_duration_ms"),
                 ({"format": {"type": "audio/pcmu"}}, "audio.input.format.type"),
                 ({"format": {"type": "audio/pcm", "rate": 100}}, "audio.input.format.rate"),
                 ({"transcription": {"language": "klingon"}}, "klingon"),
                 ({"transcription": {"prompt": "x" * 5000}}, "4096")]
        for audio, words in cases:
            s.send("session.update", session={"type": "transcription", "audio": {"input": audio}}, event_id="mine")
            error = s.error()
            self.assertIn(words, error["message"])
            self.assertEqual((error["type"], error["event_id"]), ("invalid_request_error", "mine"))
        for session in (None, [], {"type": "realtime"}, {"include": ["item.input_audio_transcription.logprobs"]}):
            s.send("session.update", session=session)
            self.assertEqual(s.error()["type"], "invalid_request_error")
        self.assertEqual(s.update()["turn_detection"]["threshold"], 0.5)  # nothing has changed

    # ---- Turns ----

    def check_turns(self, events, texts):
        """Each turn's events in order, their ids, its deltas."""
        done = of(events, TEXTS + "completed")
        self.assertEqual([e["transcript"] for e in done], texts)
        before = None
        for e in done:
            item = e["item_id"]
            own = [o for o in events if o.get("item_id") == item or o.get("item", {}).get("id") == item]
            types = [o["type"] for o in own if not o["type"].endswith("delta")]
            self.assertEqual(types, ["input_audio_buffer.speech_started", "input_audio_buffer.speech_stopped",
                                     "input_audio_buffer.committed", "conversation.item.added", "conversation.item.done",
                                     TEXTS + "completed"])
            self.assertEqual(of(own, "input_audio_buffer.committed")[0]["previous_item_id"], before)
            self.assertLess(own[0]["audio_start_ms"], of(own, "input_audio_buffer.speech_stopped")[0]["audio_end_ms"])
            told = "".join(o["delta"] for o in of(own, TEXTS + "delta"))
            # words that two partial texts agreed on and that the final text does not have end the deltas
            self.assertTrue(told == e["transcript"] or (told and not e["transcript"].startswith(told)), own)
            self.assertGreater(e["usage"]["seconds"], 0)
            before = item
        self.assertEqual(len({e["event_id"] for e in events}), len(events))

    def test_turns_are_found_at_silence(self):
        s = self.session()
        s.say(pcm(RATE) + silence(1, RATE))
        self.check_turns(s.events(TEXTS + "completed", 2), SENTENCES)

    def test_text_comes_while_somebody_speaks(self):
        s = self.session()
        s.update(turn_detection=None)
        s.say(pcm(RATE)[:2 * 2 * RATE])
        events = []
        while not of(events, TEXTS + "delta"):  # each answer tells that a partial text was made since the one before
            s.say(silence(0.6, RATE))
            s.send("nothing")
            events = s.events("error")
        self.assertTrue(SENTENCES[0].startswith(of(events, TEXTS + "delta")[0]["delta"]), events)
        self.assertFalse(of(events, TEXTS + "completed"))

    def test_turns_that_the_client_commits(self):
        s = self.session()
        s.update(turn_detection=None)
        s.say(pcm(RATE))
        s.send("input_audio_buffer.commit")
        events = s.events(TEXTS + "completed")
        self.assertEqual(events[-1]["transcript"], SPOKEN)
        self.assertFalse(of(events, "input_audio_buffer.speech_started"))
        committed = of(events, "input_audio_buffer.committed")[0]
        self.assertEqual(committed["item_id"], events[-1]["item_id"])
        self.assertTrue(of(events, TEXTS + "delta"))
        # the next one
        s.say(pcm(RATE)[:3 * 2 * RATE])
        s.send("input_audio_buffer.commit")
        events = s.events(TEXTS + "completed")
        self.assertEqual(of(events, "input_audio_buffer.committed")[0]["previous_item_id"], committed["item_id"])

    def test_deltas_make_the_text(self):
        s = self.session()
        s.say(pcm(RATE) + silence(1, RATE), 1 << 20)  # one message: nothing is said before it is final
        for text in SENTENCES:
            self.assertEqual("".join(e["delta"] for e in of(s.events(TEXTS + "completed"), TEXTS + "delta")), text)

    def test_audio_that_is_cleared_is_forgotten(self):
        s = self.session()
        s.update(turn_detection=None)
        s.say(pcm(RATE))
        s.send("input_audio_buffer.clear")
        s.events("input_audio_buffer.cleared")
        s.send("input_audio_buffer.commit")
        self.assertEqual(s.error()["code"], "input_audio_buffer_commit_empty")

    def test_other_rates(self):
        s = self.session()
        s.update(format={"type": "audio/pcm", "rate": 16000})
        s.say(pcm(16000) + silence(1, 16000))
        self.check_turns(s.events(TEXTS + "completed", 2), SENTENCES)

    def test_sessions_as_they_were_before(self):
        s = self.session()
        s.send("transcription_session.update",
               session={"input_audio_format": "pcm16", "input_audio_transcription": {"model": "gpt-4o-transcribe"},
                        "turn_detection": {"type": "server_vad", "silence_duration_ms": 300}})
        session = s.event("transcription_session.updated")["session"]
        self.assertEqual(session["turn_detection"]["silence_duration_ms"], 300)
        self.assertEqual(session["input_audio_transcription"]["model"], "gpt-4o-transcribe")
        s.say(pcm(RATE) + silence(1, RATE))
        events = s.events(TEXTS + "completed", 2)
        self.assertEqual([e["transcript"] for e in of(events, TEXTS + "completed")], SENTENCES)
        self.assertEqual(len(of(events, "conversation.item.created")), 2)

    def test_silence_says_nothing(self):
        s = self.session()
        s.say(silence(5, RATE), 48000)
        s.send("input_audio_buffer.commit")
        self.assertEqual(s.error()["code"], "input_audio_buffer_commit_empty")

    # ---- What clients do wrong ----

    def test_bad_messages(self):
        s = self.session()
        cases = [(TEXT, b"{", "JSON object"), (TEXT, b"[]", "JSON object"), (BINARY, b"{}", "JSON object"),
                 (TEXT, b"{}", "no event of type ''"), (TEXT, b'{"type": "response.create"}', "response.create"),
                 (TEXT, b'{"type": "input_audio_buffer.append"}', "base64"),
                 (TEXT, b'{"type": "input_audio_buffer.append", "audio": "a*=="}', "base64"),
                 (TEXT, b'{"type": "input_audio_buffer.append", "audio": "AAAAA"}', "base64"),
                 (TEXT, b'{"type": "input_audio_buffer.append", "audio": "AAAA"}', "multiple of 2"),
                 (TEXT, b'{"type": "input_audio_buffer.commit"}', "100 ms")]
        for code, data, words in cases:
            s.client.send_frame(code, data)
            self.assertIn(words, s.error()["message"])
        s.say(pcm(RATE) + silence(1, RATE))
        self.check_turns(s.events(TEXTS + "completed", 2), SENTENCES)

    def test_models_that_there_are_not(self):
        s = self.session(path=PATH + "&model=whisper-1")
        s.update(transcription={"model": "nothing"})
        s.say(pcm(RATE)[:4800])
        self.assertIn("there is no model 'nothing'", s.error()["message"])
        s.update(transcription={"model": "digits"})
        s.say(pcm(RATE) + silence(1, RATE))
        self.assertEqual(s.events(TEXTS + "completed")[-1]["transcript"], SENTENCES[0])

    def test_other_sessions_are_refused(self):
        for path in ("/v1/realtime", "/v1/realtime?intent=conversation"):
            with Client(self.server, path) as client:
                with self.assertRaises(ConnectionError) as caught:
                    client.receive()
                self.assertEqual(caught.exception.args[1], 1008)

    def test_tokens(self):
        with Server("digits", "--token", "secret") as server:
            with self.assertRaises(Refused) as caught:
                Client(server, PATH)
            self.assertEqual(caught.exception.status, 401)
            Session(server, Authorization="Bearer secret").client.socket.close()
            Session(server, PATH + "&token=secret").client.socket.close()

    # ---- Many, fast, slow ----

    def test_a_recording_faster_than_it_is_heard(self):
        s = self.session()
        times = 2 if QUICK else 6
        s.say(pcm(RATE, times) + silence(1, RATE), 1 << 20)
        events = s.events(TEXTS + "completed", 2 * times)
        self.check_turns(events, SENTENCES * times)

    def test_many_at_once(self):
        sessions = [self.session() for _ in range(3 if QUICK else 6)]
        threads = [threading.Thread(target=s.say, args=(pcm(RATE) + silence(1, RATE),)) for s in sessions]
        for t in threads:
            t.start()
        for s in sessions:
            self.check_turns(s.events(TEXTS + "completed", 2), SENTENCES)
        for t in threads:
            t.join()

    def test_clients_that_go_or_do_not_read(self):
        gone = Session(self.server)
        gone.say(pcm(RATE, 3), 1 << 20)
        gone.client.socket.close()
        silent = self.session()
        silent.say(pcm(RATE) + silence(1, RATE))
        s = self.session()
        s.say(pcm(RATE) + silence(1, RATE))
        self.check_turns(s.events(TEXTS + "completed", 2), SENTENCES)
        until_idle(self.server)

    def test_a_server_that_ends_cancels(self):
        with Server("digits", "--grace", "1") as server:
            s = Session(server)
            s.say(pcm(RATE, 3), 1 << 20)
            server.process.terminate()
            with s.client, self.assertRaises(ConnectionError):
                while True:
                    s.client.receive()


if __name__ == "__main__":
    unittest.main(argv=sys.argv)

#!/usr/bin/env python3
"""Triton's own HTTP client for Python against `sibyl serve`. Exits 77, which ctest counts as skipped, where it is not installed."""
import sys
import unittest

try:
    import numpy
    import tritonclient.http as triton
    from tritonclient.utils import InferenceServerException, np_to_triton_dtype, triton_to_np_dtype
except ImportError:
    print("skipped for want of Python's package tritonclient[http]")
    sys.exit(77)

from serving import Server, form
from test_inference import BYTES_ONLY, STRING, TYPES, same_model
from test_runs import small_model


def given(name, array, binary=True):
    made = triton.InferInput(name, array.shape, np_to_triton_dtype(array.dtype))
    made.set_data_from_numpy(array, binary_data=binary)
    return made


class Client(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.server = cls.enterClassContext(Server("--token", "secret"))
        cls.client = triton.InferenceServerClient(f"{cls.server.host}:{cls.server.port}", concurrency=4)
        cls.addClassCleanup(cls.client.close)
        cls.headers = {"Authorization": "Bearer secret"}
        models = {"small": small_model(), "text": same_model(STRING)}
        models |= {name.lower(): same_model(number) for name, number, *_ in TYPES + BYTES_ONLY}
        for name, data in models.items():
            body, headers = form({}, {"file": (f"{name}.onnx", data)})
            assert cls.server.ask("POST", "/api/models", body, headers | cls.headers)[0] == 201

    def infer(self, model, inputs, **more):
        return self.client.infer(model, inputs, headers=dict(self.headers), **more)  # which the client changes

    def check_small(self, result):
        numpy.testing.assert_array_equal(result.as_numpy("y"), [[2, 2, 0], [0, 4, 4]])
        numpy.testing.assert_array_equal(result.as_numpy("n"), [-5, 6])

    def small_inputs(self, binary=True):
        x = numpy.array([[1, 2, 0.5], [-3, 4, 5]], numpy.float32)
        return [given("x", x, binary), given("i", numpy.array([5, -6]), binary)]

    def test_server_and_models(self):
        c, headers = self.client, self.headers
        self.assertTrue(c.is_server_live() and c.is_server_ready())
        self.assertEqual(c.get_server_metadata(headers)["extensions"], ["binary_tensor_data"])
        self.assertTrue(c.is_model_ready("small", headers=headers) and c.is_model_ready("small", "1", headers=headers))
        self.assertFalse(c.is_model_ready("none", headers=headers) or c.is_model_ready("small", "2", headers=headers))
        self.assertEqual(c.get_model_metadata("small", "1", headers)["inputs"][0], {"name": "x", "datatype": "FP32", "shape": [-1, 3]})

    def test_infer(self):
        for binary in True, False:
            outputs = [triton.InferRequestedOutput("y", binary_data=binary), triton.InferRequestedOutput("n", binary_data=not binary)]
            for chosen in None, outputs:
                result = self.infer("small", self.small_inputs(binary), outputs=chosen, request_id="one", model_version="1")
                self.check_small(result)
                self.assertEqual(result.get_response()["id"], "one")
        only = self.infer("small", self.small_inputs(), outputs=[triton.InferRequestedOutput("n")])
        self.assertIsNone(only.as_numpy("y"))
        self.check_small(self.infer("small", self.small_inputs(False), outputs=outputs, response_compression_algorithm="gzip"))

    def test_types(self):
        for name, _, _, good, _ in TYPES:
            array = numpy.array(good, triton_to_np_dtype(name))
            for binary in True, False:
                got = self.infer(name.lower(), [given("x", array, binary)]).as_numpy("y")
                self.assertEqual((got.dtype, got.tolist()), (array.dtype, array.tolist()))
        half = numpy.array([1, -2.5], numpy.float16)
        numpy.testing.assert_array_equal(self.infer("fp16", [given("x", half)]).as_numpy("y"), half)
        words = numpy.array([["", "\u00e9"], ["a" * 1000, "b"]], object).reshape(-1)
        for binary in True, False:
            got = self.infer("text", [given("x", words, binary)]).as_numpy("y")
            self.assertEqual([w.decode() for w in got], words.tolist())

    def test_several_at_once(self):
        requests = [self.client.async_infer("small", self.small_inputs(), headers=dict(self.headers)) for _ in range(20)]
        for r in requests:
            self.check_small(r.get_result())

    def test_errors(self):
        for model, inputs, status, part in (("none", self.small_inputs(), "404", "'none'"), ("small", self.small_inputs()[:1], "400", "'i' is missing"),
                                            ("fp32", [given("x", numpy.array([1.0]))], "400", "must be FP32, not 'FP64'")):
            with self.assertRaisesRegex(InferenceServerException, part) as caught:
                self.infer(model, inputs)
            self.assertEqual(caught.exception.status(), status)
        with self.assertRaisesRegex(InferenceServerException, "token"):
            self.client.get_server_metadata()
        with self.assertRaisesRegex(InferenceServerException, "'sequence_id'"):
            self.infer("small", self.small_inputs(), sequence_id=1)
        with self.assertRaisesRegex(InferenceServerException, "gzip"):
            self.infer("small", self.small_inputs(), request_compression_algorithm="gzip")


if __name__ == "__main__":
    sys.exit(unittest.main(verbosity=2))

"""MediaPipe's networks, run in the thread that calls them.

MediaPipe hands every step of a graph to threads of its own; for one small network the hand-overs cost a third of the
time. The results are the same either way.
"""

from __future__ import annotations

import os

import numpy as np

MESH_SIDE = 192  # of the square the mesh network sees, pixels
_MESH = """
input_stream: "image"
output_stream: "points"
output_stream: "presence"
executor { type: "ApplicationThreadExecutor" }
node {
  calculator: "ImageToTensorCalculator" input_stream: "IMAGE:image" output_stream: "TENSORS:input"
  options { [mediapipe.ImageToTensorCalculatorOptions.ext] {
    output_tensor_width: SIDE output_tensor_height: SIDE output_tensor_float_range { min: 0 max: 1 } } }
}
node {
  calculator: "InferenceCalculator" input_stream: "TENSORS:input" output_stream: "TENSORS:output"
  options { [mediapipe.InferenceCalculatorOptions.ext] {
    model_path: "mediapipe/modules/face_landmark/face_landmark.tflite" delegate { xnnpack {} } } }
}
node {
  calculator: "SplitTensorVectorCalculator"
  input_stream: "output" output_stream: "points_tensor" output_stream: "presence_tensor"
  options { [mediapipe.SplitVectorCalculatorOptions.ext] { ranges { begin: 0 end: 1 } ranges { begin: 1 end: 2 } } }
}
node { calculator: "TensorsToFloatsCalculator" input_stream: "TENSORS:points_tensor" output_stream: "FLOATS:points" }
node { calculator: "TensorsToFloatsCalculator" input_stream: "TENSORS:presence_tensor" output_stream: "FLOAT:presence" }
""".replace("SIDE", str(MESH_SIDE))


def in_calling_thread(solution: type) -> type:
    """Returns a kind of MediaPipe solution (FaceMesh, FaceDetection) whose `process` works in the calling thread."""

    class InCallingThread(solution):
        def _initialize_graph_interface(self, *args, **kwargs):
            config = super()._initialize_graph_interface(*args, **kwargs)
            del config.executor[:]
            config.executor.add(type="ApplicationThreadExecutor")
            return config

    return InCallingThread


class MeshNetwork:
    """The network of Face Mesh alone, for squares that are cut around a face already; it remembers nothing."""

    def __init__(self) -> None:
        import mediapipe
        from google.protobuf import text_format
        from mediapipe.calculators.core import split_vector_calculator_pb2  # noqa: F401 - makes its options known
        from mediapipe.calculators.tensor import image_to_tensor_calculator_pb2, inference_calculator_pb2  # noqa: F401
        from mediapipe.framework import calculator_pb2
        from mediapipe.python._framework_bindings import calculator_graph, resource_util

        resource_util.set_resource_dir(os.path.dirname(os.path.dirname(mediapipe.__file__)))
        self._graph = calculator_graph.CalculatorGraph(
            graph_config=text_format.Parse(_MESH, calculator_pb2.CalculatorGraphConfig())
        )
        self._packets: dict = {}
        for name in ("points", "presence"):
            self._graph.observe_output_stream(name, self._packets.__setitem__)
        self._graph.start_run({})
        self._time = 0

    def __call__(self, crop: np.ndarray) -> np.ndarray | None:
        """Returns the mesh [468, 3] float32 in pixels of a square crop, or None when it shows no face.

        Args:
            crop: uint8 [MESH_SIDE, MESH_SIDE, 3] RGB: a face, eyes level, with a margin of half its size.
        """
        from mediapipe.python import packet_creator, packet_getter
        from mediapipe.python._framework_bindings import image_frame

        self._time += 1
        image = packet_creator.create_image(crop, image_format=image_frame.ImageFormat.SRGB)
        self._graph.add_packet_to_input_stream(stream="image", packet=image.at(self._time))
        self._graph.wait_until_idle()
        if packet_getter.get_float(self._packets["presence"]) < 0:  # log odds
            return None
        points = np.array(packet_getter.get_float_list(self._packets["points"]), np.float32).reshape(-1, 3)
        return points - np.float32([0.5, 0.5, 0.0])

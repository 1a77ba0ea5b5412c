"""`synth demo` and its drawn traffic lights, which are also the worked example of a custom generator.

In: a seed. Out: a drawn dataset and all results of the main job on it. Start with `traffic_lights`.
"""

from synth.demo.traffic_lights import TrafficLights

__all__ = ["TrafficLights"]

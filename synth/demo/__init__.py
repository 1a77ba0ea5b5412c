"""`synth demo`, and the traffic lights that it draws: also the worked example of a custom generator.

In: a seed. Out: a drawn dataset and everything the main job makes of it. Start with `traffic_lights`.
"""

from synth.demo.traffic_lights import TrafficLights

__all__ = ["TrafficLights"]

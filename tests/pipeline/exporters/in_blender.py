"""Run by Blender: draws a GLB. `blender -b --factory-startup --python THIS -- GLB PNG X Y Z FOCAL`.

X Y Z: the camera in glTF's axes and metres; it looks at the origin.
"""

import sys

import bpy
import numpy
from mathutils import Vector

numpy.bool = bool  # the importer of Debian's Blender 3.4 is older than its numpy 1.24
path, picture, *numbers = sys.argv[sys.argv.index("--") + 1 :]
x, y, z, focal = map(float, numbers)
bpy.ops.wm.read_factory_settings(use_empty=True)
bpy.ops.import_scene.gltf(filepath=path)
scene = bpy.context.scene
scene.render.engine, scene.cycles.device, scene.cycles.samples = "CYCLES", "CPU", 8
scene.cycles.use_denoising = False
scene.render.resolution_x = scene.render.resolution_y = 128
scene.view_settings.view_transform = "Standard"  # "Filmic" would change the colours
scene.world = bpy.data.worlds.new("white")
scene.world.use_nodes = True
scene.world.node_tree.nodes["Background"].inputs[0].default_value = (1, 1, 1, 1)
lens = bpy.data.cameras.new("camera")
lens.sensor_width, lens.lens, lens.clip_start = 36, 36 * focal, 0.01
camera = bpy.data.objects.new("camera", lens)
scene.collection.objects.link(camera)
scene.camera = camera
camera.location = (x, -z, y)  # Blender's z is up
camera.rotation_mode = "QUATERNION"
camera.rotation_quaternion = (-Vector(camera.location)).to_track_quat("-Z", "Y")
scene.render.filepath = picture
bpy.ops.render.render(write_still=True)

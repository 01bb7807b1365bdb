#!/usr/bin/env python3
"""Prints who violates which standard: from the metas on each frame, and from the messages on the bus.

    GST_PLUGIN_PATH=build/plugins python3 examples/python/violations.py VIDEO MODEL [SITE]

Needs PyGObject and GStreamer's introspection data: python3-gi, gir1.2-gstreamer-1.0, gir1.2-gst-plugins-bad-1.0.
"""

import sys
import warnings

import gi

gi.require_version("Gst", "1.0")
gi.require_version("GstAnalytics", "1.0")
from gi.repository import Gst, GstAnalytics  # noqa: E402

# Plain PyGObject reads a GstValueArray through the deprecated GValueArray.
warnings.filterwarnings("ignore", message="GObject.ValueArray")

LINE = (
    'filesrc location="{video}" ! decodebin3 ! trtinfer name=detect confidence=0.4 ! '
    "oshaannotate name=judge draw=false ! fakesink name=out sync=false signal-handoffs=true"
)


def tell(line):
    """Prints a line in one piece: frames and messages come from two threads."""
    sys.stdout.write(line + "\n")


def structures(structure, name):
    """The structures in the array `name`: copies, since those in the array go with it."""
    found, array = structure.get_array(name)
    return [array.get_nth(index).copy() for index in range(array.n_values)] if found else []


def position(buffer, detection):
    """Left and top of the detection with that number."""
    meta = GstAnalytics.buffer_get_analytics_relation_meta(buffer)
    found, mtd = meta.get_od_mtd(detection)
    _, x, y, *_ = mtd.get_location() if found else (False, None, None)
    return x, y


def on_frame(_sink, buffer, _pad, seen):
    """Prints each violation when a frame first shows it. Nothing but the custom meta's structure is needed for that."""
    meta = buffer.get_custom_meta("GstOshaReportMeta")
    if meta is None:
        return
    report = meta.get_structure()
    for subject in structures(report, "subjects"):
        for rule in structures(subject, "rules"):
            key = (subject.get_value("track"), rule.get_value("rule"))
            if rule.get_value("state") == "violating" and key not in seen:
                seen.add(key)
                seconds = report.get_value("stream-time") / Gst.SECOND
                tell(f"frame {seconds:.2f} s: {subject.get_value('class')} {key[0]} at "
                     f"{position(buffer, subject.get_value('detection'))}: {key[1]}, {rule.get_value('citation')}")


def on_message(message):
    """Prints starts and ends. Returns whether to go on."""
    if message.type == Gst.MessageType.ERROR:
        error, debug = message.parse_error()
        sys.exit(f"{error.message} ({debug})")
    structure = message.get_structure()
    if message.type == Gst.MessageType.ELEMENT and structure.get_name() == "osha-violation":
        get = structure.get_value
        tell(f"{get('kind')} of violation {get('violation')}: {get('citation')} {get('title')} ({get('severity')})")
    return message.type != Gst.MessageType.EOS


def main(video, model, site=None):
    """Plays the whole video."""
    Gst.init(None)
    pipeline = Gst.parse_launch(LINE.format(video=video))
    pipeline.get_by_name("detect").set_property("model", model)
    pipeline.get_by_name("judge").set_property("rules", site)
    pipeline.get_by_name("out").connect("handoff", on_frame, set())
    pipeline.set_state(Gst.State.PLAYING)
    wanted = Gst.MessageType.ELEMENT | Gst.MessageType.ERROR | Gst.MessageType.EOS
    try:
        while on_message(pipeline.get_bus().timed_pop_filtered(Gst.CLOCK_TIME_NONE, wanted)):
            pass
    finally:
        pipeline.set_state(Gst.State.NULL)


if __name__ == "__main__":
    if len(sys.argv) not in (3, 4):
        sys.exit(__doc__)
    main(*sys.argv[1:])

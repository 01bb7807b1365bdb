//! GStreamer and the traps of its NVIDIA plugin.

use super::*;

#[test]
fn own_elements_are_missing_for_three_reasons() {
    let missing = |change: &dyn Fn(&mut GStreamer)| {
        after(
            |machine| {
                machine.without(&["trtinfer"]);
                change(machine.gst);
            },
            "gstreamer.own-elements",
        )
    };
    check(&missing(&|_| ()), Status::Missing, "neither in GST_PLUGIN_PATH nor", "make build");
    let elsewhere = missing(&|gst| gst.own_files = vec!["/opt/osha/libgsttrtinfer.so".into()]);
    check(
        &elsewhere,
        Status::Missing,
        "not where GStreamer looks",
        "export GST_PLUGIN_PATH=/opt/osha; rm -f /cache",
    );
    let broken = missing(&|gst| gst.blacklisted = vec!["/opt/osha/libgsttrtinfer.so".into()]);
    check(&broken, Status::Missing, "did not load", "rm -f /cache/registry.bin && gst-inspect-1.0 -b");
}

#[test]
fn what_every_pipeline_needs_is_missed() {
    let old = after(|machine| machine.gst.version = (1, 22, 0), "gstreamer.version");
    check(&old, Status::Missing, "1.24", "scripts/bootstrap");
    let elements = after(|machine| machine.without(&["qtdemux", "decodebin3"]), "gstreamer.elements");
    check(
        &elements,
        Status::Missing,
        "not installed",
        "install gstreamer1.0-plugins-base gstreamer1.0-plugins-good",
    );
    let decoder = after(|machine| machine.without(&["avdec_h264"]), "gstreamer.software-decoder");
    check(&decoder, Status::Missing, "without a GPU", "gstreamer1.0-libav");
    let other = after(
        |machine| {
            machine.without(&["avdec_h264"]);
            machine.gst.decoders.get_mut("H.264").unwrap().push("openh264dec".into());
        },
        "gstreamer.software-decoder",
    );
    check(&other, Status::Slower, "openh264dec uses one core", "gstreamer1.0-libav");
    let encoder = after(|machine| machine.without(&["x264enc"]), "gstreamer.encoder");
    check(&encoder, Status::Info, "MP4", "plugins-ugly");
    let dead = after(|machine| machine.gst.missing = Some("no core".into()), "gstreamer.version");
    check(&dead, Status::Missing, "no core", "gstreamer1.0-tools");
}

#[test]
fn gpu_decoders_that_gstreamer_does_not_have() {
    let without = |change: &dyn Fn(&mut GStreamer)| {
        after(
            |machine| {
                machine.without(&["nvh264dec", "nvh265dec"]);
                change(machine.gst);
            },
            "gstreamer.nvcodec",
        )
    };
    let stale =
        without(&|gst| gst.nvcodec.as_mut().unwrap().messages = vec!["libcuda.so.1 was not found".into()]);
    check(
        &stale,
        Status::Slower,
        "stale: it was made when the driver did not work (it said: libcuda",
        "rm -f /cache",
    );
    check(&without(&|gst| gst.nvcodec = None), Status::Slower, "not installed", "gstreamer1.0-plugins-bad");
    let bad = without(&|gst| gst.blacklisted = vec!["/usr/lib/libgstnvcodec.so".into()]);
    check(&bad, Status::Slower, "blacklist", "gst-inspect-1.0 -b");
    let library = |why: &str| {
        after(
            |machine| {
                machine.gst.gstcuda = false;
                machine.gst.gstcuda_problem = Some(why.into());
            },
            "gstreamer.libgstcuda",
        )
    };
    let missing = library("GStreamer's CUDA library is missing");
    check(&missing, Status::Slower, "CUDA library is missing", "libgstreamer-plugins-bad1.0-0");
    let strange = library("GStreamer's CUDA library does not find the NVIDIA driver's functions");
    check(&strange, Status::Slower, "driver's functions", "ubuntu-drivers");
    let plugins = after(|machine| machine.gst.blacklisted = vec!["/a.so".into()], "gstreamer.blacklisted");
    check(&plugins, Status::Slower, "crashed", "gst-inspect-1.0 -b");
}

#[test]
fn cudaconvert_is_lost_with_nvrtc_13_or_without_its_plain_name() {
    let lost = |path: Option<&str>| {
        after(
            |machine| {
                machine.without(&["cudaconvert"]);
                machine.libraries.0.push(library("NVRTC as GStreamer asks for it", path));
            },
            "gstreamer.cudaconvert",
        )
    };
    let newer = lost(Some("/usr/local/cuda/lib64/libnvrtc.so.13.0.48"));
    check(
        &newer,
        Status::Info,
        "is NVRTC 13",
        "GST_CUDA_NVRTC_LIBNAME=libnvrtc.so.12 && rm -f /cache/registry.bin",
    );
    let both = after(
        |machine| {
            machine.without(&["cudaconvert"]);
            machine.libraries.0.push(library("NVRTC", Some("/usr/lib/libnvrtc.so.12.4")));
        },
        "gstreamer.cudaconvert",
    );
    let command = "export GST_CUDA_NVRTC_LIBNAME=libnvrtc.so.12 && rm -f /cache/registry.bin";
    assert_eq!(both.remedy.unwrap().debian, command);
    check(&lost(None), Status::Info, "developer's package (cannot open)", "libnvrtc12");
    check(&lost(Some("/usr/lib/libnvrtc.so.12.4")), Status::Info, "did not compile", "rm -f /cache");
}

#[test]
fn a_software_decoder_that_is_chosen_before_the_gpu_s_is_noticed() {
    let choice =
        after(|machine| machine.gst.decoders.get_mut("H.264").unwrap().reverse(), "gstreamer.choice.h264");
    check(&choice, Status::Slower, "avdec_h264 has the higher rank", "GST_PLUGIN_FEATURE_RANK=nvh264dec:MAX");
    assert!(choice.cause.unwrap().contains("ANY"));
}

#[test]
fn a_jetson_has_its_own_decoder() {
    let jetson = |has: bool| {
        after(
            |machine| {
                machine.host.platform.system = System::JetPack;
                if has {
                    machine.gst.elements.insert("nvv4l2decoder".into(), Element::default());
                }
            },
            "gstreamer.nvv4l2decoder",
        )
    };
    check(&jetson(false), Status::Slower, "on the CPU", "nvidia-l4t-gstreamer");
    check(&jetson(true), Status::Info, "NVMM", "nvvidconv");
}

//! The TensorRT backend: building, caching, running, and everything that can go wrong.
//!
//! By default all of it runs against doubles of the driver and of TensorRT (`tests/tensorrt_double`). With
//! `GST_OSHA_TENSORRT_TESTS=real` (`make test-tensorrt`) the same tests run against the libraries of the machine, and with
//! `GST_OSHA_TENSORRT_TESTS=gpu` against the double of TensorRT on the machine's own driver and device; those that tell the
//! doubles what to do, and all that need what is not installed, are counted as ignored then.

#![allow(clippy::unwrap_used)]

mod build;
mod cache;
mod common;
mod double;
mod library;
mod rtx;
mod run;

use std::process::ExitCode;

use libtest_mimic::{Arguments, Trial};

/// What a test needs.
#[derive(Clone, Copy)]
enum Needs {
    /// A driver, a device and either library.
    Library,
    /// A driver, a device and the full library.
    Builder,
    /// As `Builder`, and no double: it does not compute what networks do.
    Network,
    /// As `Builder`, and doubles that do as they are told.
    Double,
    /// The libraries of TensorRT for RTX, in the folder that `GST_OSHA_TENSORRT_RTX` names, and the doubles.
    Rtx,
    /// As `Rtx`, and a device.
    RtxDevice,
}

type Test = (&'static str, Needs, fn());

/// Names, needs and bodies of the functions given.
macro_rules! tests {
    ($needs:ident: $($module:ident::$name:ident),+ $(,)?) => {
        [$((concat!(stringify!($module), "::", stringify!($name)), Needs::$needs, $module::$name as fn())),+]
    };
}

fn tests() -> Vec<Test> {
    let with_a_library: [Test; 3] = tests!(Library:
        library::what_never_was_a_plan_is_refused,
        library::an_engine_file_that_is_none_is_refused_by_name,
        library::a_thousand_runtimes_leave_no_memory_behind,
    );
    let with_a_builder: [Test; 21] = tests!(Builder:
        library::an_engine_file_is_used_as_it_is,
        build::a_model_is_built_once_and_found_again,
        build::a_cancelled_build_ends_within_two_seconds,
        build::progress_rises_to_the_end,
        build::a_precision_that_the_model_lacks_is_refused,
        build::a_model_that_cannot_be_read_is_refused,
        cache::every_part_of_the_key_counts,
        cache::tensors_in_a_file_of_their_own_count,
        cache::a_damaged_entry_is_built_anew,
        cache::what_was_found_is_not_read_again,
        cache::builders_that_start_together_build_once,
        cache::a_model_that_is_replaced_before_it_is_built_is_an_error,
        cache::who_cannot_keep_an_engine_is_told,
        library::an_engine_file_must_be_of_the_model_and_says_no_precision,
        run::results_are_those_of_onnxruntime,
        run::results_in_half_precision_are_those_of_onnxruntime,
        run::batches_of_every_size_up_to_the_largest,
        run::a_recorded_run_gives_the_same_bits,
        run::a_hundred_batches_of_a_second_are_measured,
        run::candidates_are_those_of_the_search_at_hand,
        library::what_is_no_plan_is_refused_with_a_reason,
    );
    let with_a_network: [Test; 1] = tests!(Network: run::convolutions_are_those_of_onnxruntime);
    let with_doubles: [Test; 19] = tests!(Double:
        build::a_failed_build_tells_the_builders_reason,
        build::precisions_need_a_device_that_has_them,
        build::the_last_build_gives_the_estimate,
        build::memory_that_is_short_is_told_in_numbers,
        cache::an_entry_that_the_library_refuses_is_built_anew,
        cache::an_engine_that_the_library_refuses_at_once_is_an_error,
        run::a_failed_run_tells_the_librarys_reason,
        run::a_lost_context_needs_a_new_process,
        run::a_tensor_that_does_not_fit_is_told_in_numbers,
        run::without_recording_it_runs_all_the_same,
        run::tensors_of_another_backend_are_refused,
        run::nothing_is_left_behind,
        library::the_lean_library_runs_what_the_full_one_built,
        library::the_lean_library_does_not_build,
        library::the_library_for_rtx_builds_and_runs,
        library::the_library_for_rtx_comes_after_the_full_one_and_before_the_lean_one,
        library::an_older_library_is_refused,
        library::a_device_that_is_not_there_is_refused,
        library::what_is_no_library_is_refused,
    );
    let with_rtx: [Test; 8] = tests!(Rtx:
        rtx::engines_are_built_and_found_again,
        rtx::each_product_has_engines_of_its_own,
        rtx::progress_rises_to_the_end,
        rtx::a_cancelled_build_leaves_nothing,
        rtx::what_it_cannot_do_is_refused_with_a_reason,
        rtx::a_model_is_taken_in_its_own_precision_or_refused,
        rtx::the_projects_network_is_built_and_given_up,
        rtx::what_is_no_plan_is_refused_in_nvidias_words,
    );
    let on_device: [Test; 1] = tests!(RtxDevice: rtx::an_engine_runs_or_the_gpu_is_refused);
    let all = with_a_library.into_iter().chain(with_a_builder).chain(with_a_network).chain(with_doubles);
    all.chain(with_rtx).chain(on_device).collect()
}

fn main() -> ExitCode {
    let is_real = double::is_unwanted();
    if !is_real && !double::is_in_place() {
        return double::rerun();
    }
    let has_driver = is_real || double::is_on_device();
    let missing = if has_driver { common::missing() } else { common::Missing::default() };
    if let Some(reason) = &missing.builder {
        println!("SKIPPED: no TensorRT builder ({reason})");
    }
    let lacks_rtx = missing.builder.is_some() || rtx::folder().is_none();
    if rtx::folder().is_none() {
        println!(
            "SKIPPED: no TensorRT builder (GST_OSHA_TENSORRT_RTX names no folder with TensorRT for RTX)"
        );
    }
    let is_ignored = |needs| match needs {
        Needs::Library => missing.library,
        Needs::Builder => missing.builder.is_some(),
        Needs::Network => missing.builder.is_some() || double::is_in_place(),
        Needs::Double => has_driver,
        Needs::Rtx => is_real || lacks_rtx,
        Needs::RtxDevice => !double::is_on_device() || lacks_rtx,
    };
    let trial = |(name, needs, body): Test| {
        let run = move || {
            double::reset();
            body();
            Ok(())
        };
        Trial::test(name, run).with_ignored_flag(is_ignored(needs))
    };
    let mut arguments = Arguments::from_args();
    // The doubles are told what to do for one test at a time, and memory is counted.
    arguments.test_threads = Some(1);
    libtest_mimic::run(&arguments, tests().into_iter().map(trial).collect()).exit_code()
}

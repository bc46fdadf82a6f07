//! Settings: from the code, from the environment, and what is wrong with them.

mod common;

use common::{Ended, assert_workers, in_child, workers};
use greenroom::patch::{Family, Patch, is_patched};
use greenroom::{
    Builder, Config, ConfigError, JoinError, PatchError, ThreadLocals, patch_all, spawn,
    spawn_later,
};
use std::io;
use std::time::Duration;

/// Nothing starts, both ways of spawning say so at once, and the process goes
/// on. Returns what `Builder::spawn` says.
fn refuses() -> String {
    let error = Builder::new().spawn(|| 1).unwrap_err();
    assert_eq!(error.kind(), io::ErrorKind::InvalidInput, "{error}");
    for handle in [spawn(|| 1), spawn_later(Duration::MAX, || 1)] {
        assert!(handle.is_finished());
        let refused = handle.join().unwrap_err();
        assert!(matches!(refused, JoinError::NotStarted(_)), "{refused:?}");
        assert!(refused.to_string().contains(&error.to_string()), "{refused}");
    }
    // Nobody asks for this one's result; stderr has the reason.
    drop(spawn(|| 1));
    assert_workers(0);
    error.to_string()
}

#[track_caller]
fn assert_refused(ended: &Ended, variable: &str, value: &str, help: &str) {
    ended.assert_success();
    assert!(ended.stdout.contains("the child is done"), "{ended}");
    let lines: Vec<_> = ended.stderr.lines().filter(|l| l.contains("could not start")).collect();
    assert_eq!(lines.len(), 3, "{ended}");
    for line in lines {
        let said = line.contains(variable) && line.contains(value) && line.contains(help);
        assert!(said && line.contains("green thread '<unnamed>'"), "{line}");
    }
}

/// A test for each rubbish value of a variable.
macro_rules! rubbish {
    ($($test:ident: $variable:literal = $value:literal, $help:literal;)*) => {$(
        #[test]
        fn $test() {
            let ended = in_child(&[($variable, $value)], || {
                let said = refuses();
                assert!(said.contains($variable) && said.contains($help), "{said}");
                println!("the child is done");
            });
            assert_refused(&ended, $variable, $value, $help);
        }
    )*};
}

rubbish! {
    no_workers: "GREENROOM_WORKERS" = "0", "from 1 to 1024";
    too_many_workers: "GREENROOM_WORKERS" = "1025", "from 1 to 1024";
    workers_in_words: "GREENROOM_WORKERS" = "two", "from 1 to 1024";
    negative_workers: "GREENROOM_WORKERS" = "-1", "from 1 to 1024";
    half_a_worker: "GREENROOM_WORKERS" = "1.5", "from 1 to 1024";
    more_workers_than_numbers: "GREENROOM_WORKERS" = "99999999999999999999", "from 1 to 1024";
    a_stack_in_words: "GREENROOM_STACK_SIZE" = "256k", "a whole number";
    an_absurd_stack: "GREENROOM_STACK_SIZE" = "18446744073709551615", "to 1073741824";
    thread_locals_in_words: "GREENROOM_THREAD_LOCALS" = "mine", "`shared` or `own`";
    rubbish_offload_threads: "GREENROOM_OFFLOAD_THREADS" = "many", "a whole number";
    too_long_a_look: "GREENROOM_BUSY_POLL" = "1001", "to 1000";
    a_rubbish_guard: "GREENROOM_STACK_GUARD" = "none", "auto, madvise or mprotect";
}

/// Each green thread has its own, where asked for.
#[test]
fn own_thread_locals() {
    let ended = in_child(&[("GREENROOM_THREAD_LOCALS", "own"), ("GREENROOM_WORKERS", "1")], || {
        thread_local!(static N: std::cell::Cell<u32> = const { std::cell::Cell::new(1) });
        for n in 2..5 {
            assert_eq!(spawn(move || N.replace(n)).join().unwrap(), 1);
        }
    });
    ended.assert_success();
}

/// Not even text.
#[test]
fn bytes_that_are_no_text() {
    let ended = in_child(&[], || {
        use std::os::unix::ffi::OsStrExt;
        let bytes = std::ffi::OsStr::from_bytes(&[0xff, 0xfe]);
        // SAFETY: this process has one thread, and nobody reads meanwhile.
        unsafe { std::env::set_var("GREENROOM_WORKERS", bytes) };
        assert!(refuses().contains("GREENROOM_WORKERS"));
    });
    ended.assert_success();
}

#[test]
fn empty_variables_are_not_set() {
    let vars = [
        ("GREENROOM_WORKERS", ""),
        ("GREENROOM_STACK_SIZE", ""),
        ("GREENROOM_THREAD_LOCALS", ""),
        ("GREENROOM_OFFLOAD_THREADS", ""),
        ("GREENROOM_BUSY_POLL", ""),
        ("GREENROOM_STACK_GUARD", ""),
    ];
    in_child(&vars, || assert_eq!(spawn(|| 1).join().unwrap(), 1)).assert_success();
}

/// The rubbish removed, the next spawn starts the runtime.
#[test]
fn a_refusal_is_not_for_ever() {
    let ended = in_child(&[("GREENROOM_WORKERS", "x")], || {
        refuses();
        // SAFETY: this process has one thread.
        unsafe { std::env::set_var("GREENROOM_WORKERS", "3") };
        assert_eq!(spawn(|| 1).join().unwrap(), 1);
        assert_workers(3);
    });
    ended.assert_success();
}

#[test]
fn workers_from_the_environment() {
    workers(3, || {
        // Nothing runs before the first spawn.
        assert_workers(0);
        assert_eq!(spawn(|| 1).join().unwrap(), 1);
        assert_workers(3);
        // More spawns start no more.
        Builder::new().spawn(|| 1).unwrap().join().unwrap();
        assert_workers(3);
    });
}

#[test]
fn one_worker_per_core_by_default() {
    let ended = in_child(&[], || {
        spawn(|| ()).join().unwrap();
        let cores = std::thread::available_parallelism().unwrap().get();
        assert_workers(cores);
    });
    ended.assert_success();
}

#[test]
fn the_code_goes_before_the_environment() {
    workers(5, || {
        Config::new().workers(2).install().unwrap();
        spawn(|| ()).join().unwrap();
        assert_workers(2);
    });
}

/// What the code leaves open comes from the environment.
#[test]
fn the_environment_fills_in() {
    workers(4, || {
        Config::new().stack_size(100_000).offload_threads(2).install().unwrap();
        spawn(|| ()).join().unwrap();
        assert_workers(4);
    });
}

#[test]
fn install_says_what_is_out_of_range() {
    workers(1, || {
        let wrong = [
            (Config::new().workers(0), "workers", "0"),
            (Config::new().workers(5000), "workers", "5000"),
            (Config::new().stack_size(usize::MAX), "stack_size", "18446744073709551615"),
            (Config::new().offload_threads(1_000_000), "offload_threads", "1000000"),
            (Config::new().busy_poll(Duration::from_secs(1)), "busy_poll", "1000000"),
            (Config::new().busy_poll(Duration::MAX), "busy_poll", "must be from 0 to 1000"),
        ];
        for (config, setting, value) in wrong {
            let error = config.install().unwrap_err();
            assert!(matches!(error, ConfigError::OutOfRange { .. }), "{error:?}");
            let text = error.to_string();
            assert!(text.contains(setting) && text.contains(value), "{text}");
        }
        // None of these was installed.
        Config::new().workers(2).thread_locals(ThreadLocals::Shared).install().unwrap();
        spawn(|| ()).join().unwrap();
        assert_workers(2);
    });
}

/// Rubbish in the environment does not go unnoticed because the code says
/// something else.
#[test]
fn install_looks_at_the_environment_too() {
    let ended = in_child(&[("GREENROOM_WORKERS", "lots")], || {
        let error = Config::new().workers(2).install().unwrap_err();
        assert!(error.to_string().contains("GREENROOM_WORKERS is \"lots\""), "{error}");
    });
    ended.assert_success();
}

#[test]
fn installing_twice() {
    workers(1, || {
        let config = Config::new().workers(2);
        config.clone().install().unwrap();
        config.clone().install().unwrap();
        let other = config.clone().stack_size(1 << 20).install().unwrap_err();
        assert_eq!(other, ConfigError::AlreadyInstalled);
        spawn(|| ()).join().unwrap();
        assert_workers(2);
    });
}

/// The error of a late `install` names the line that started it, which
/// `start` returns.
fn too_late(start: impl FnOnce() -> u32) {
    let line = start();
    let error = Config::new().workers(2).install().unwrap_err();
    let ConfigError::AlreadyStarted { started_by } = &error else { panic!("{error:?}") };
    assert_eq!((started_by.file(), started_by.line()), (file!(), line));
    let text = error.to_string();
    assert!(text.contains(&format!("{}:{line}:", file!())), "{text}");
    // Nothing has changed.
    spawn(|| ()).join().unwrap();
    assert_workers(1);
}

#[test]
fn installing_after_spawn() {
    workers(1, || {
        too_late(|| {
            drop(spawn(|| ()));
            line!() - 1
        });
    });
}

#[test]
fn installing_after_spawn_later() {
    workers(1, || {
        too_late(|| {
            drop(spawn_later(Duration::MAX, || ()));
            line!() - 1
        });
    });
}

#[test]
fn installing_after_a_builder() {
    workers(1, || {
        too_late(|| {
            drop(Builder::new().name("first".into()).spawn(|| ()));
            line!() - 1
        });
    });
}

#[test]
fn a_builders_absurd_stack_is_its_error() {
    workers(1, || {
        for bytes in [(1 << 30) + 1, usize::MAX] {
            let error = Builder::new().stack_size(bytes).spawn(|| 1).unwrap_err();
            assert_eq!(error.kind(), io::ErrorKind::InvalidInput);
            let text = error.to_string();
            assert!(text.contains(&bytes.to_string()) && text.contains("1 GiB"), "{text}");
        }
        let most = Builder::new().stack_size(1 << 30).spawn(|| 1).unwrap();
        assert_eq!(most.join().unwrap(), 1);
        assert_eq!(Builder::new().stack_size(0).spawn(|| 1).unwrap().join().unwrap(), 1);
    });
}

/// Patches everything that the chosen thread-locals allow; true for all of it.
fn patches_all() -> bool {
    patch_all().unwrap();
    assert!(is_patched(Family::Sleep) && is_patched(Family::Socket));
    assert_eq!(is_patched(Family::Sync), is_patched(Family::Threads));
    is_patched(Family::Sync)
}

const UNSET: (&str, &str) = ("GREENROOM_THREAD_LOCALS", "");

#[test]
fn patching_brings_own_thread_locals() {
    in_child(&[UNSET], || {
        assert!(patches_all());
        Config::new().workers(2).install().unwrap();
        let green = std::thread::spawn(|| greenroom::current().is_some());
        assert!(green.join().unwrap());
    })
    .assert_success();
}

#[test]
fn where_they_are_shared_patching_leaves_out_what_needs_own_ones() {
    in_child(&[("GREENROOM_THREAD_LOCALS", "shared")], || {
        let contradiction = Patch::all().sync(true).apply().unwrap_err();
        assert!(matches!(contradiction, PatchError::SharedThreadLocals), "{contradiction}");
        assert!(!is_patched(Family::Sleep), "nothing is patched");
        assert!(!patches_all());
    })
    .assert_success();
}

#[test]
fn the_code_may_choose_shared_ones_before_patching() {
    in_child(&[UNSET], || {
        Config::new().thread_locals(ThreadLocals::Shared).install().unwrap();
        assert!(!patches_all());
    })
    .assert_success();
}

#[test]
fn the_code_cannot_choose_shared_ones_after_patching() {
    in_child(&[UNSET], || {
        assert!(patches_all());
        let late = Config::new().thread_locals(ThreadLocals::Shared).install().unwrap_err();
        assert_eq!(late, ConfigError::OwnNeeded);
    })
    .assert_success();
}

#[test]
fn patching_says_which_variable_it_cannot_understand() {
    in_child(&[("GREENROOM_THREAD_LOCALS", "mine")], || {
        let said = patch_all().unwrap_err().to_string();
        assert!(said.contains("GREENROOM_THREAD_LOCALS") && said.contains("mine"), "{said}");
    })
    .assert_success();
}

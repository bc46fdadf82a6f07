//! Who waits for any child keeps no thread of the pool from the others, which
//! the child may need before it ends.

mod common;

use common::{in_child, until};
use greenroom::{offload, spawn};
use std::process::{Command, Stdio};
use std::ptr::null_mut;

#[test]
#[allow(clippy::zombie_processes, reason = "waitpid is what is tested")]
fn waiting_for_any_child_leaves_the_pool_free() {
    const ONE: &[(&str, &str)] = &[("GREENROOM_WORKERS", "1"), ("GREENROOM_OFFLOAD_THREADS", "1")];
    let ended = in_child(ONE, || {
        greenroom::patch_all().unwrap();
        let mut cat = Command::new("cat").stdin(Stdio::piped()).spawn().unwrap();
        let (pid, stdin) = (cat.id() as i32, cat.stdin.take());
        // SAFETY: asks for no status.
        let waits = spawn(|| unsafe { libc::waitpid(-1, null_mut(), 0) });
        (0..20).for_each(|_| spawn(greenroom::yield_now).join().unwrap());
        let other = spawn(|| offload(|| 7));
        until(|| other.is_finished());
        assert!(!waits.is_finished());
        drop(stdin);
        assert_eq!(waits.join().unwrap(), pid);
    });
    ended.assert_success();
}

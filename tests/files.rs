//! What is no socket: the same calls on an OS thread and on a green thread give
//! the same values, errno and bytes, and leave the same behind.

#[macro_use]
mod common_net;
#[path = "files/calls.rs"]
mod calls;
#[path = "files/scenes.rs"]
mod scenes;

use calls::{CALLS, Call};
use common_net::{all_done, alone, doing, green, os, os_done, os_thread, patched};
use scenes::{SCENES, Scene};
use std::fmt::Write;

type Pair = (&'static Scene, &'static Call);

/// Makes `call` in `scene`, and tells what came of it: also where the file
/// stands, how long it is, and what its flags are.
fn run((scene, call): Pair) -> String {
    let set_up = (scene.make)();
    let fd = set_up.fd;
    let mut log = (call.run)(fd);
    let position = c!(libc::lseek(fd, 0, libc::SEEK_CUR));
    let flags = c!(libc::syscall(libc::SYS_fcntl, fd, libc::F_GETFL));
    // SAFETY: all zero is an empty one.
    let mut stat: libc::stat = unsafe { std::mem::zeroed() };
    c!(libc::fstat(fd, &mut stat));
    write!(log, " at {position} of {} flags {flags:x}", stat.st_size).unwrap();
    let mut buf = [0; 40];
    if stat.st_mode & libc::S_IFMT == libc::S_IFREG && scene.name != "/proc" {
        c!(libc::pread(fd, buf.as_mut_ptr().cast(), 40, 0));
        write!(log, " {}", buf.escape_ascii()).unwrap();
    }
    set_up.end();
    log
}

/// Differences that stay, and why.
fn excused((scene, call): Pair) -> bool {
    // Each attempt says RWF_NOWAIT or moves a part, and a fault counts as one.
    let fault = call.name.contains("null") && call.sort != scenes::READ;
    fault && scene.name.contains("drained later")
}

/// All calls of a scene at once, since some of them wait.
#[test]
fn green_threads_get_what_os_threads_get() {
    patched(1);
    let _alone = alone();
    let mut differences = Vec::new();
    for scene in SCENES {
        doing(scene.name);
        let fits = |c: &&Call| c.sort & scene.calls != 0;
        let pairs = CALLS.iter().filter(fits).map(|call| (scene, call));
        let pairs: Vec<Pair> = pairs.filter(|pair| !excused(*pair)).collect();
        let there: Vec<_> = pairs.iter().map(|&p| os_thread(move || run(p))).collect();
        let there: Vec<_> = there.into_iter().map(os_done).collect();
        let here = all_done(pairs.iter().map(|&p| greenroom::spawn(move || run(p))));
        for (pair, (there, here)) in pairs.into_iter().zip(there.into_iter().zip(here)) {
            // Again, one at a time: a timer may have come late.
            let again = |_| (os(move || run(pair)), green(move || run(pair)));
            if there != here && (0..10).map(again).all(|(there, here)| there != here) {
                let name = format!("{} on {}", pair.1.name, pair.0.name);
                differences.push(format!("{name}:\n    os    {there}\n    green {here}"));
            }
        }
    }
    assert!(differences.is_empty(), "{}\n{}", differences.len(), differences.join("\n"));
}

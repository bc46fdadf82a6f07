//! Forks in the middle of generators and greenlets: the child, which is a plain OS
//! thread, goes on with them, and with what it is in.

mod common;

use common::workers;
use greenroom::generator::Builder;
use greenroom::patch::native;
use greenroom::{Generator, Greenlet, Step, spawn, time_left, timeout, uncancellable};
use std::time::Duration;

const LONG: Duration = Duration::from_secs(3600);

/// In the child 0, in the parent what that has exited with.
fn forked() -> i32 {
    // SAFETY: the child makes few calls, and then exits at once.
    let pid = unsafe { libc::fork() };
    assert!(pid >= 0);
    if pid == 0 {
        // SAFETY: no memory is involved.
        unsafe { libc::alarm(60) };
        return 0;
    }
    let mut status = 0;
    // SAFETY: the status is ours.
    assert_eq!(unsafe { libc::waitpid(pid, &mut status, 0) }, pid);
    assert!(libc::WIFEXITED(status), "{status:x}");
    libc::WEXITSTATUS(status)
}

/// Its body forks inside of all that one can be in, and is left by the child as well.
fn forks() -> Generator<(), i32, i32> {
    Generator::new(|co, ()| {
        co.yield_(1);
        let status = uncancellable(|| {
            let within = timeout(LONG, || {
                let status = native(forked);
                if status == 0 {
                    co.yield_(2);
                    assert!(time_left().is_none(), "it is shielded");
                }
                status
            });
            within.unwrap()
        });
        assert_eq!(time_left(), None);
        status
    })
}

fn deed() {
    let mut generator = forks();
    let main = Greenlet::<i32>::current();
    let mut suspended = Generator::<(), i32, ()>::new(|co, ()| (5..100).for_each(|n| co.yield_(n)));
    assert_eq!(suspended.next(), Some(5));
    let greenlet = Greenlet::new(move |n: i32| main.switch(n + 1) + 2);
    assert_eq!(greenlet.switch(1), 2);
    assert_eq!(generator.resume(()), Step::Yielded(1));
    let step = generator.resume(());
    if step == Step::Yielded(2) {
        // SAFETY: as in `forked`; whatever fails here ends the child with 1.
        std::panic::set_hook(Box::new(|_| unsafe { libc::_exit(1) }));
        assert_eq!(time_left(), None);
        assert_eq!(generator.resume(()), Step::Returned(0));
        assert_eq!(suspended.next(), Some(6));
        assert_eq!(greenlet.switch(3), 5);
        drop(suspended);
        let mut new = Builder::new().generator(|co, n: i32| co.yield_(n)).unwrap();
        assert_eq!(new.resume(7), Step::Yielded(7));
        // SAFETY: as above.
        unsafe { libc::_exit(33) };
    }
    assert_eq!(step, Step::Returned(33));
    assert_eq!(suspended.next(), Some(6));
    assert_eq!(greenlet.switch(4), 6);
}

#[test]
fn the_child_goes_on_with_them() {
    workers(1, || {
        spawn(deed).join().unwrap();
        deed();
    });
}

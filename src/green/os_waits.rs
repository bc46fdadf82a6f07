//! What OS threads wait for in greenroom's own calls: they have no record that
//! would say so, and are few and slow, so there is a list.

use super::current;
use crate::sys::lock::Lock;
use crate::sys::tasks;

/// One of them.
#[derive(Clone, Copy)]
pub(crate) struct OsWait {
    /// As the kernel numbers it.
    pub(crate) thread: i32,
    /// What stands for it where it holds something.
    pub(crate) mark: usize,
    /// The number of the kind of that.
    pub(crate) kind: u32,
    pub(crate) what: u64,
}

static WAITING: Lock<Vec<OsWait>> = Lock::new(Vec::new());

/// The calling OS thread waits for this.
#[cold]
pub(super) fn enter(kind: u32, what: u64) {
    let wait = OsWait { thread: tasks::me(), mark: current::mark(), kind, what };
    WAITING.lock().push(wait);
}

/// It does not any more.
#[cold]
pub(super) fn leave() {
    let (mark, mut waiting) = (current::mark(), WAITING.lock());
    if let Some(at) = waiting.iter().position(|wait| wait.mark == mark) {
        waiting.swap_remove(at);
    }
}

/// All of them, at this moment.
pub(crate) fn all() -> Vec<OsWait> {
    WAITING.lock().clone()
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;

    #[test]
    fn who_waits_is_in_the_list() {
        let mine = || all().into_iter().find(|w| w.mark == current::mark()).map(|w| w.what);
        assert_eq!(mine(), None);
        enter(1, 7);
        assert_eq!(mine(), Some(7));
        leave();
        assert_eq!(mine(), None);
    }
}

//! Who runs on which cores. Of those that this process may use, a contender
//! with one core has the first, and the clients and backends have the last;
//! those with all cores have all.

use std::io;
use std::mem::zeroed;

/// A set of cores.
#[derive(Clone, Copy)]
pub(super) struct Cores(libc::cpu_set_t);

/// Who is to be placed.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Place {
    /// The contender, on one core.
    One,
    /// The contender, on all.
    All,
    /// What keeps it busy.
    Load,
}

impl Cores {
    /// # Errors
    /// As `sched_getaffinity`'s.
    pub(super) fn of_this_process() -> io::Result<Cores> {
        // SAFETY: all zero is an empty set.
        let mut set: libc::cpu_set_t = unsafe { zeroed() };
        // SAFETY: a set of that size, to be filled.
        let got = unsafe { libc::sched_getaffinity(0, size_of_val(&set), &mut set) };
        if got == 0 { Ok(Cores(set)) } else { Err(io::Error::last_os_error()) }
    }

    /// Those of them for `place`, and how many.
    pub(super) fn at(&self, place: Place) -> (Cores, usize) {
        let numbers = self.numbers();
        let one = match place {
            Place::All => return (*self, numbers.len()),
            Place::One => numbers.first(),
            Place::Load => numbers.last(),
        };
        // SAFETY: all zero is an empty set.
        let mut set: libc::cpu_set_t = unsafe { zeroed() };
        if let Some(&number) = one {
            // SAFETY: a number that such a set gave.
            unsafe { libc::CPU_SET(number, &mut set) };
        }
        (Cores(set), 1)
    }

    /// Keeps the calling thread, and those that it starts, on these. Makes one
    /// system call and nothing else, so a fork's child may.
    ///
    /// # Errors
    /// As `sched_setaffinity`'s.
    pub(super) fn confine(&self) -> io::Result<()> {
        // SAFETY: a set of that size.
        let set = unsafe { libc::sched_setaffinity(0, size_of_val(&self.0), &self.0) };
        if set == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
    }

    fn numbers(&self) -> Vec<usize> {
        let all = 0..libc::CPU_SETSIZE as usize;
        // SAFETY: numbers below the set's size.
        all.filter(|&number| unsafe { libc::CPU_ISSET(number, &self.0) }).collect()
    }
}

#[test]
fn contender_and_load_have_a_core_each_where_there_are_two() {
    let cores = Cores::of_this_process().unwrap();
    let (one, load) = (cores.at(Place::One), cores.at(Place::Load));
    assert_eq!((one.1, load.1, cores.at(Place::All).1), (1, 1, cores.numbers().len()));
    assert_eq!(one.0.numbers()[..], cores.numbers()[..1]);
    assert_eq!(load.0.numbers().last(), cores.numbers().last());
}

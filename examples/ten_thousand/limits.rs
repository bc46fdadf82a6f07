//! How much one process may have, and what to do where that is too little.

use std::{fs, io, thread};

use crate::options::Options;
use crate::report::thousands;

/// Who runs where, and what there is to say about it.
#[derive(Debug, PartialEq)]
pub(crate) struct Plan {
    pub(crate) connections: usize,
    pub(crate) second_process: bool,
    pub(crate) notes: Vec<String>,
}

/// Raises this process's limit of open files as far as needed and allowed, and plans with that.
pub(crate) fn plan(options: &Options) -> io::Result<Plan> {
    let connections = options.connections;
    let spare = spare();
    let before = limits()?.rlim_cur as usize;
    let allowed = raise(2 * connections + spare)?;
    let mut plan = decide(connections, allowed, spare);
    if allowed > before {
        let (before, allowed) = (thousands(before), thousands(allowed));
        let note = format!("raised the limit of open files from {before} to {allowed}");
        plan.notes.insert(0, note);
    }
    if options.os_threads {
        make_room(&mut plan, os_threads());
    }
    Ok(plan)
}

/// A connection has two ends, so two descriptors, but each process needs only its own end's.
fn decide(connections: usize, allowed: usize, spare: usize) -> Plan {
    let needed = 2 * connections + spare;
    if needed <= allowed {
        return Plan { connections, second_process: false, notes: Vec::new() };
    }
    let mut notes = vec![format!(
        "one process may open {} files, and both ends of {} connections need {}: \
         the server runs in a second process",
        thousands(allowed),
        thousands(connections),
        thousands(needed),
    )];
    let possible = connections.min(allowed.saturating_sub(spare).max(1));
    if possible < connections {
        notes.push(format!(
            "even so there are too few for {} connections: making {} (`ulimit -Hn {}` as root \
             would allow all)",
            thousands(connections),
            thousands(possible),
            connections + spare,
        ));
    }
    Plan { connections: possible, second_process: true, notes }
}

/// OS threads run out of memory mappings where green threads do not.
fn make_room(plan: &mut Plan, allowed: usize) {
    let needed = 2 * plan.connections;
    if plan.second_process || needed <= allowed {
        return;
    }
    plan.second_process = true;
    plan.notes.push(format!(
        "one process has room for {} OS threads (vm.max_map_count), and both ends of {} \
         connections need {}: the server runs in a second process",
        thousands(allowed),
        thousands(plan.connections),
        thousands(needed),
    ));
}

/// Four mappings each: a stack, a signal stack, and a guard before either.
fn os_threads() -> usize {
    let mappings = fs::read_to_string("/proc/sys/vm/max_map_count").ok();
    let mappings = mappings.and_then(|text| text.trim().parse::<usize>().ok());
    mappings.map_or(usize::MAX, |mappings| mappings.saturating_sub(1000) / 4)
}

/// For the standard streams, listeners, pipes, and what each worker polls with.
fn spare() -> usize {
    64 + 8 * thread::available_parallelism().map_or(1, usize::from)
}

/// Returns how many descriptors this process may have now: at best `wanted`, or more.
fn raise(wanted: usize) -> io::Result<usize> {
    let old = limits()?;
    let wanted = wanted as libc::rlim_t;
    if old.rlim_cur >= wanted {
        return Ok(old.rlim_cur as usize);
    }
    // Only root may raise the hard limit; anybody the soft one, up to the hard one.
    let best = libc::rlimit { rlim_cur: wanted, rlim_max: old.rlim_max.max(wanted) };
    let allowed = libc::rlimit { rlim_cur: old.rlim_max, ..old };
    if set_limits(&best).or_else(|_| set_limits(&allowed)).is_err() {
        return Ok(old.rlim_cur as usize);
    }
    Ok(limits()?.rlim_cur as usize)
}

fn limits() -> io::Result<libc::rlimit> {
    let mut limits = libc::rlimit { rlim_cur: 0, rlim_max: 0 };
    // SAFETY: `limits` is valid for the write.
    match unsafe { libc::getrlimit(libc::RLIMIT_NOFILE, &mut limits) } {
        0 => Ok(limits),
        _ => Err(io::Error::last_os_error()),
    }
}

fn set_limits(limits: &libc::rlimit) -> io::Result<()> {
    // SAFETY: `limits` is valid for the read.
    match unsafe { libc::setrlimit(libc::RLIMIT_NOFILE, limits) } {
        0 => Ok(()),
        _ => Err(io::Error::last_os_error()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_process_if_it_may_two_if_it_must_fewer_if_even_two_cannot() {
        let plan = |allowed| {
            let plan = decide(10_000, allowed, 80);
            (plan.second_process, plan.connections, plan.notes.len())
        };
        assert_eq!(plan(20_080), (false, 10_000, 0));
        assert_eq!(plan(20_079), (true, 10_000, 1));
        assert_eq!(plan(10_080), (true, 10_000, 1));
        assert_eq!(plan(1024), (true, 944, 2));
        assert_eq!(plan(3), (true, 1, 2));
    }

    #[test]
    fn os_threads_that_do_not_fit_share_two_processes() {
        let mut plan = decide(8000, 100_000, 80);
        make_room(&mut plan, 16_000);
        assert_eq!((plan.second_process, plan.notes.len()), (false, 0));
        make_room(&mut plan, 15_999);
        assert_eq!((plan.second_process, plan.notes.len()), (true, 1));
    }
}

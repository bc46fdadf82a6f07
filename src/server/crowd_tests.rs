//! The counting of who is inside, and the places in the list.

use super::*;
use std::sync::Arc;

#[test]
fn passes_are_counted() {
    let crowd = Crowd::new(2);
    crowd.come(Role::Servant);
    assert!(crowd.has_room() && crowd.has_room() && !crowd.has_room());
    crowd.come(Role::Handler);
    crowd.come(Role::Handler);
    let left = || crowd.stopper().wait(clock::now());
    assert_eq!((crowd.handlers(), left()), (2, 3));
    assert!(!crowd.go(Role::Handler));
    assert!(crowd.has_room() && !crowd.has_room());
    assert!(crowd.go(Role::Servant));
    assert!(!crowd.go(Role::Handler));
    assert_eq!(left(), 0);
    crowd.close();
    assert!(crowd.await_room() && !crowd.await_room());
}

/// What one stop waits for is not what another does: neither takes the other's
/// notice.
#[test]
fn stops_of_both_sorts_at_once() {
    let crowd = Arc::new(Crowd::new(2));
    assert!(crowd.has_room() && crowd.has_room());
    crowd.come(Role::Handler);
    crowd.come(Role::Handler);
    let theirs = crowd.clone();
    let handler = crate::spawn(move || {
        let at = theirs.begin(None).unwrap();
        let stopper = theirs.stopper();
        assert!(!stopper.is_done());
        // Before it waits, the last other one leaves, and another stop looks.
        theirs.go(Role::Handler);
        std::thread::scope(|s| {
            let left = s.spawn(|| theirs.stopper().wait(clock::now())).join();
            assert_eq!(left.unwrap(), 1);
        });
        assert!(stopper.event().wait_timeout(Duration::from_secs(10)));
        assert_eq!(stopper.wait(clock::now()), 0);
        drop(stopper);
        theirs.end(at);
    });
    handler.join().unwrap();
    let stopper = crowd.stopper();
    assert!(!stopper.is_done());
    crowd.go(Role::Handler);
    assert!(stopper.event().wait_timeout(Duration::ZERO));
    assert_eq!(stopper.wait(clock::now()), 0);
}

#[test]
fn places_are_used_again() {
    let crowd = Crowd::new(100);
    let all = crate::spawn(move || {
        let first: Vec<_> = (0..40).map(|_| crowd.begin(None).unwrap()).collect();
        assert_eq!(first, Vec::from_iter(0..40));
        crowd.end(7);
        crowd.end(3);
        assert_eq!([(); 3].map(|()| crowd.begin(None).unwrap()), [3, 7, 40]);
    });
    all.join().unwrap();
}

#[test]
fn all_are_ended_but_those_who_stop() {
    let crowd = Arc::new(Crowd::new(100));
    let begin = |stops: bool| {
        let crowd = crowd.clone();
        crate::spawn(move || {
            let at = crowd.begin(None)?;
            let _stopper = stops.then(|| crowd.stopper());
            crate::park();
            Some(at)
        })
    };
    let all = [false, true, false].map(begin);
    let begun = |at: &usize| crowd.inside.lock().slots.get(*at).is_some();
    while !(0..3).all(|at| begun(&at)) || crowd.inside.lock().stopping == 0 {
        crate::sleep(Duration::from_micros(100));
    }
    assert_eq!(crowd.end_all(), 2);
    assert!(begin(false).join().unwrap().is_none(), "none begins any more");
    all[1].thread().unpark();
    let ends = all.map(|handler| handler.join().map_err(|why| why.is_killed()));
    assert!(matches!(ends, [Err(true), Ok(Some(_)), Err(true)]));
    assert_eq!(crowd.inside.lock().stopping, 0);
}

//! The counting of who is inside, and the places in the list.

use super::*;

#[test]
fn passes_are_counted() {
    let crowd = Crowd::new(2);
    crowd.come(Role::Servant);
    assert!(crowd.has_room() && crowd.has_room() && !crowd.has_room());
    crowd.come(Role::Handler);
    crowd.come(Role::Handler);
    assert_eq!((crowd.handlers(), crowd.wait(clock::now())), (2, 3));
    assert!(!crowd.go(Role::Handler));
    assert!(crowd.has_room() && !crowd.has_room());
    assert!(crowd.go(Role::Servant));
    assert!(!crowd.go(Role::Handler));
    assert_eq!(crowd.wait(clock::now()), 0);
    crowd.close();
    assert!(crowd.await_room() && !crowd.await_room());
}

#[test]
fn places_are_used_again() {
    let crowd = std::sync::Arc::new(Crowd::new(100));
    let theirs = crowd.clone();
    let all = crate::spawn(move || {
        let first: Vec<_> = (0..40).map(|_| theirs.begin(None).unwrap()).collect();
        assert_eq!(first, Vec::from_iter(0..40));
        theirs.end(7);
        theirs.end(3);
        let next = [(); 3].map(|()| theirs.begin(None).unwrap());
        assert_eq!(next, [3, 7, 40]);
        assert_eq!(theirs.end_all(), 0, "not oneself");
        theirs.begin(None)
    });
    assert_eq!(all.join().unwrap(), None);
    assert_eq!(crowd.end_all(), 41);
    assert!(crate::spawn(move || crowd.begin(None)).join().unwrap().is_none());
}

//! Holds the layout of the source: layers, sizes, what is confined to where.
//! The cases in `tidy/fixtures.rs` show that each check can fail.

#[path = "tidy/mod.rs"]
mod checks;

use std::path::Path;

use checks::{Allowances, Seen, leaks, source, violations};

/// Every entry carries its reason; one that is not needed any more fails.
const ALLOWED: Allowances = Allowances {
    long_files: &[],
    long_functions: &[],
    std_waits: &[
        ("src/green/handle.rs", "std::thread::park", "on an OS thread, park() is std's"),
        ("src/green/handle.rs", "std::thread::park_timeout", "likewise"),
        ("src/patch/apply.rs", "std::thread::yield_now", "tries whether it comes to the shim"),
    ],
};

/// Well below what there is, and well above what a check that has gone blind
/// would see. Raise them as the project grows.
const FLOOR: Seen =
    Seen { files: 60, tracked: 100, functions: 400, imports: 250, unsafes: 200, exports: 25 };

#[test]
fn the_project_is_tidy() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let files = source::load(root, "src");
    let tracked = leaks::tracked(root);
    let found = violations(&files, &tracked, &ALLOWED);
    let report: Vec<String> =
        found.iter().map(|v| format!("{}: [{}] {}", v.place, v.rule, v.what)).collect();
    assert!(report.is_empty(), "untidy:\n{}", report.join("\n"));

    let missing = Seen::count(&files, &tracked).missing(&FLOOR);
    assert!(missing.is_empty(), "the checks went blind: {missing:?}");
}

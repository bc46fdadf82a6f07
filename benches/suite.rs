//! The comparative suite. What it does stands in `src/bin/compare/main.rs`;
//! this builds it together with the contenders, and passes on its options:
//!
//! ```sh
//! cargo bench -p greenroom-bench
//! cargo bench -p greenroom-bench -- --quick --only echo
//! ```

use std::os::unix::process::CommandExt;
use std::process::Command;

fn main() {
    // Cargo adds `--bench`.
    let words = std::env::args().skip(1).filter(|word| word != "--bench");
    let error = Command::new(env!("CARGO_BIN_EXE_compare")).args(words).exec();
    panic!("the suite cannot be started: {error}");
}

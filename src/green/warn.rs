//! Warnings: to stderr, or with the feature `log` to the program's logger.

use super::say::say;

/// A warning, in one line. From anywhere but signal handlers; nothing of the
/// user's runs here.
pub(crate) fn warn(text: String) {
    #[cfg(feature = "log")]
    let Some(text) = super::logger::hand_over(text) else { return };
    say(format!("{text}\n").as_bytes());
}

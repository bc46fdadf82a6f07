//! How a green thread ended.

use crate::error::JoinError;

/// How a green thread ended; its result itself goes to its joiner.
///
/// ```
/// use greenroom::Ending;
/// let (tell, told) = std::sync::mpsc::channel();
/// let green = greenroom::spawn(|| 7);
/// green.on_finish(move |_, ending| tell.send(ending).unwrap());
/// assert_eq!(told.recv().unwrap(), Ending::Returned);
/// assert_eq!(green.join().unwrap(), 7);
/// ```
#[derive(Clone, Copy, PartialEq, Eq, Debug, Hash)]
#[non_exhaustive]
pub enum Ending {
    /// Its closure returned.
    Returned,
    /// It panicked.
    Panicked,
    /// It was killed, or ended by a timeout that it inherited.
    Killed,
    /// It never ran: there was no stack for it, or no runtime.
    NotStarted,
}

impl Ending {
    /// That of one with this result.
    #[inline]
    pub(crate) fn of<T>(result: &Result<T, JoinError>) -> Ending {
        match result {
            Ok(_) => Ending::Returned,
            Err(error) => Ending::of_error(error),
        }
    }

    #[cold]
    fn of_error(error: &JoinError) -> Ending {
        match error {
            JoinError::Panicked(_) => Ending::Panicked,
            JoinError::Killed | JoinError::Elapsed => Ending::Killed,
            JoinError::NotStarted(_) | JoinError::Itself | JoinError::Stalled => Ending::NotStarted,
        }
    }

    /// As a small number.
    #[inline]
    pub(crate) fn code(self) -> u32 {
        self as u32
    }

    /// The one with this number.
    pub(crate) fn of_code(code: u32) -> Ending {
        match code {
            0 => Ending::Returned,
            1 => Ending::Panicked,
            2 => Ending::Killed,
            _ => Ending::NotStarted,
        }
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;

    #[test]
    fn each_has_a_number_of_its_own() {
        for one in [Ending::Returned, Ending::Panicked, Ending::Killed, Ending::NotStarted] {
            assert_eq!(Ending::of_code(one.code()), one);
        }
    }
}

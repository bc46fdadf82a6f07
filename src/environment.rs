//! Settings from `GREENROOM_*` variables, and what they may be.

use super::error::ConfigError;

/// Its value; an empty variable counts as not set.
pub(crate) fn variable(name: &str) -> Option<String> {
    let value = std::env::var_os(name)?.to_string_lossy().into_owned();
    Some(value).filter(|v| !v.is_empty())
}

/// The whole number that the variable `name` is, if it is set.
pub(crate) fn number(
    name: &'static str,
    min: usize,
    max: usize,
) -> Result<Option<usize>, ConfigError> {
    variable(name).map(|value| parse(name, value, min, max)).transpose()
}

fn parse(name: &'static str, value: String, min: usize, max: usize) -> Result<usize, ConfigError> {
    match value.trim().parse::<usize>() {
        Ok(n) if (min..=max).contains(&n) => Ok(n),
        _ => Err(ConfigError::Variable {
            name,
            value,
            expected: format!("a whole number from {min} to {max}"),
        }),
    }
}

/// For a setting that the code makes.
pub(crate) fn in_range(
    setting: &'static str,
    value: Option<usize>,
    min: usize,
    max: usize,
) -> Result<(), ConfigError> {
    match value {
        Some(value) if !(min..=max).contains(&value) => Err(ConfigError::OutOfRange {
            setting,
            value,
            expected: format!("from {min} to {max}"),
        }),
        _ => Ok(()),
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;

    #[test]
    fn rubbish_in_a_variable_names_it() {
        for rubbish in ["", "x", "-1", "0", "1025", "1e3", "99999999999999999999999"] {
            let error = parse("GREENROOM_WORKERS", rubbish.into(), 1, 1024).unwrap_err();
            assert!(error.to_string().contains("GREENROOM_WORKERS"), "{error}");
            assert!(error.to_string().contains("1 to 1024"), "{error}");
        }
        assert_eq!(parse("GREENROOM_WORKERS", " 8 ".into(), 1, 1024), Ok(8));
    }
}

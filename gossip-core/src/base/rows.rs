//! Counters by name, for those who show them without knowing them.

use crate::base::histogram::{Histogram, Seconds};

/// The named fields of `$of`, each as its name and its value. Every field of the struct must
/// be listed: those behind the semicolon are left to the caller, so none can be forgotten.
macro_rules! rows {
    ($of:expr, $($field:ident)*; $($other:ident)*) => {{
        let Self { $($field,)* $($other: _,)* } = $of;
        vec![$((stringify!($field).to_owned(), u64::from(*$field)),)*]
    }};
}

pub(crate) use rows;

/// Count and sum of durations as rows.
pub(crate) fn duration_rows(name: &str, durations: &Histogram<Seconds>) -> [(String, u64); 2] {
    let nanos = u64::try_from(durations.total().as_nanos()).unwrap_or(u64::MAX);
    [(format!("{name}_count"), durations.count()), (format!("{name}_nanos"), nanos)]
}

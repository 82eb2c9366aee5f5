//! Where things are, for the tests of the C interface.

use std::path::{Path, PathBuf};

/// The root of the repository.
pub(crate) fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("the package has a parent folder")
}

/// What C programs get as `-I`.
pub(crate) fn include_dir() -> PathBuf {
    root().join("include")
}

//! Golden layouts and properties.

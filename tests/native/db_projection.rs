//! Plans and times.

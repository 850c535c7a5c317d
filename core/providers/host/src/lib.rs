//! Allowlist files of a machine: what nginx, Apache, HAProxy and others read to know whom to let in.

mod after_change;
mod allowlist;
mod block;
mod format;
mod in_place;
mod own_thread;
mod rewrite;

pub use allowlist::FileAllowlist;

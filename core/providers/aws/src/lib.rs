//! Amazon EC2 security groups as allowlists. A leaf crate: nothing else waits for the SDK, which is slow to build.

mod batch;
mod client;
mod error;
mod limits;
mod mark;
mod policy;
mod security_group;
mod verify;

pub use client::Clients;
pub use policy::iam_policy;
pub use security_group::SecurityGroupAllowlist;

//! Amazon EC2 security groups as allowlists. A leaf crate: nothing else waits for the SDK, which is slow to build.

mod ambient;
mod batch;
mod client;
mod error;
mod limits;
mod mark;
mod policy;
mod security_group;
mod shared;
mod verify;

pub use ambient::groups_of_the_environment;
pub use client::Clients;
pub use policy::{iam_policy, serverless_policy};
pub use security_group::SecurityGroupAllowlist;

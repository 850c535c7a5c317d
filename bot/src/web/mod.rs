//! The pages. They are rendered here and work without script; what they show comes from the use cases.

pub mod confirm;
pub mod demo;
pub mod landing;
pub mod layout;
pub mod next;
pub mod oidc;
pub mod problem;
pub mod sessions;
pub mod sign_in;
pub mod sign_out;
pub mod visitor;
